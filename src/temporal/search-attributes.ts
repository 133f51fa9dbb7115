import type { Client } from '@temporalio/client';
import { SEARCH_ATTRIBUTES } from '../domain/run/search-attributes.ts';

/** Temporal's number for type Keyword. */
const KEYWORD = 2;

/** Whether the namespace has every search attribute that runs write. */
export async function registeredSearchAttributes(client: Client): Promise<boolean> {
  const { namespace } = client.options;
  const { customAttributes } = await client.connection.operatorService.listSearchAttributes({ namespace });
  return SEARCH_ATTRIBUTES.every((name) => customAttributes?.[name] === KEYWORD);
}

/** Registers those that are missing; fails where the caller may not. */
export async function registerSearchAttributes(client: Client): Promise<void> {
  const { namespace } = client.options;
  const searchAttributes = Object.fromEntries(SEARCH_ATTRIBUTES.map((name) => [name, KEYWORD]));
  await client.connection.operatorService.addSearchAttributes({ namespace, searchAttributes });
}
