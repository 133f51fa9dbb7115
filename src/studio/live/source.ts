import type { Client } from '@temporalio/client';
import { PipelineError } from '../../domain/errors.ts';
import type { Hub } from '../../hub/hub.ts';

/** Where Studio reads and steers; it has nothing of its own. */
export interface Sources {
  client: Client;
  hub: Hub;
  /** Hub user or organization of the token's owner. */
  namespace: () => Promise<string>;
  /** Folder of the embedded stack's logs; null: they are elsewhere. */
  logs: string | null;
  /** Address of Temporal's UI; null: not known. */
  temporalUi: string | null;
}

/** A value, or in words why it could not be read. */
export type Read<T> = { ok: true; value: T } | { ok: false; why: string };

/** How long Temporal or the Hub may take before a page says that it is missing. */
export const PATIENCE_MS = 3000;

/** Asks Temporal, not longer than a page may wait. */
export function askTemporal<T>(client: Client, ask: () => Promise<T>, ms = PATIENCE_MS): Promise<T> {
  return client.withDeadline(Date.now() + ms, ask);
}

/** Reads what may be missing; an error of the kind `InvalidInput` is the asker's own, and thrown. */
export async function reading<T>(what: string, read: () => Promise<T>): Promise<Read<T>> {
  try {
    return { ok: true, value: await read() };
  } catch (error) {
    if (error instanceof PipelineError && error.kind === 'InvalidInput') throw error;
    const words = error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error);
    // Something came, and it was not what was expected: waiting does not help.
    const isRefusal = error instanceof PipelineError && error.kind !== 'HubUnavailable';
    return { ok: false, why: isRefusal ? `${what}: ${words}` : `${what} does not answer: ${words}` };
  }
}
