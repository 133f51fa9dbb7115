import { ERROR_KINDS, type ErrorKind } from '../errors.ts';

/** How an activity that failed with a retryable kind is tried again. */
interface Retry {
  firstDelayMs: number;
  longestDelayMs: number;
  /** Failures of the kind after which the activity fails for good; null: the budgets of the run decide. */
  attempts: number | null;
}

/** Retries by kind: what is likely to be over soon is tried soon, a server in trouble is left in peace. */
export const RETRIES: Partial<Record<ErrorKind, Retry>> = {
  // The next session starts from the checkpoint: nothing is gained by waiting.
  TrainerDied: { firstDelayMs: 500, longestDelayMs: 500, attempts: null },
  // Read again, from another copy or an older checkpoint; what stays corrupt needs a person.
  Corrupt: { firstDelayMs: 1000, longestDelayMs: 10_000, attempts: 10 },
  // The Hub counts requests over five minutes.
  HubUnavailable: { firstDelayMs: 1000, longestDelayMs: 60_000, attempts: null },
  Internal: { firstDelayMs: 1000, longestDelayMs: 60_000, attempts: 100 },
};

/** What becomes of an attempt that failed with this kind the nth time: the delay before the next one, null: there is none. */
export function retryDelayMs(kind: ErrorKind, failures: number): number | null {
  if (!ERROR_KINDS[kind].retryable) return null;
  const retry = RETRIES[kind];
  if (retry === undefined) return 1000;
  if (retry.attempts !== null && failures >= retry.attempts) return null;
  return Math.min(retry.longestDelayMs, retry.firstDelayMs * 2 ** Math.min(failures - 1, 20));
}
