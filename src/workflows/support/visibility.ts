import {
  defineSearchAttributeKey,
  SearchAttributeType,
  type SearchAttributeUpdatePair,
} from '@temporalio/common';
import { upsertMemo, upsertSearchAttributes } from '@temporalio/workflow';
import type { Operations } from '../../domain/run/activities.ts';
import { SEARCH_ATTRIBUTES, type SearchAttributeName } from '../../domain/run/search-attributes.ts';

const keys = Object.fromEntries(
  SEARCH_ATTRIBUTES.map((name) => [name, defineSearchAttributeKey(name, SearchAttributeType.KEYWORD)]),
) as Record<SearchAttributeName, ReturnType<typeof defineSearchAttributeKey<'KEYWORD'>>>;

/**
 * Writes what a run is about into its search attributes and memo, so that lists in the UI tell the story. Whether the server
 * has the attributes is in the run's context: a server without them would refuse the workflow task for ever.
 */
export class Visible {
  private readonly on: boolean;
  private readonly shown = new Map<SearchAttributeName, string>();

  constructor(operations: Operations | undefined) {
    this.on = operations?.searchAttributes === true;
  }

  /** Writes the attributes that changed. */
  show(values: Partial<Record<SearchAttributeName, string | null>>): void {
    if (!this.on) return;
    const changes: SearchAttributeUpdatePair[] = [];
    for (const name of SEARCH_ATTRIBUTES) {
      const value = values[name];
      if (value === undefined || value === null || this.shown.get(name) === value) continue;
      this.shown.set(name, value);
      changes.push({ key: keys[name], value });
    }
    if (changes.length > 0) upsertSearchAttributes(changes);
  }

  /** Adds to the memo, which needs no registration. */
  remember(memo: Record<string, unknown>): void {
    upsertMemo(memo);
  }
}
