import { type Client, WorkflowNotFoundError } from '@temporalio/client';
import type { Environment } from '../config/env.ts';
import type { Operations } from '../domain/run/activities.ts';
import { registeredSearchAttributes, registerSearchAttributes } from '../temporal/search-attributes.ts';

/** Registers what runs write where this worker may, and answers what the service offers; asked again each minute. */
export function createOperations(client: Client, env: Environment): () => Promise<Operations> {
  const notifications = env.PLEIN_AIR_WEBHOOK_URL !== undefined;
  let known: { at: number; searchAttributes: Promise<boolean> } | null = null;
  const ask = async () => {
    if (await registeredSearchAttributes(client)) return true;
    await registerSearchAttributes(client);
    return registeredSearchAttributes(client);
  };
  return async () => {
    if (known === null || performance.now() - known.at > 60_000)
      known = { at: performance.now(), searchAttributes: ask().catch(() => false) };
    return { searchAttributes: await known.searchAttributes, notifications };
  };
}

/** Whether the server runs a workflow of this id now. */
export async function isUnderWay(client: Client, workflowId: string): Promise<boolean> {
  try {
    return (await client.workflow.getHandle(workflowId).describe()).status.name === 'RUNNING';
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return false;
    throw error;
  }
}

/** The activity with what the service offers added to its result. */
export function withOperations<P, R extends object>(
  activity: (p: P) => Promise<R>,
  operations: () => Promise<Operations>,
  add: (result: R, operations: Operations) => R,
): (p: P) => Promise<R> {
  return async (p) => add(await activity(p), await operations());
}
