import { z } from 'zod';
import type { ErrorKind } from '../errors.ts';

/** What the attempts at one GPU activity know of those before them; it travels in their heartbeats from machine to machine. */
export const AttemptLog = z.strictObject({
  /** Furthest that any attempt came, by stage: pictures, bytes or steps. */
  furthest: z.record(z.string(), z.number()),
  /** Whether the attempt that wrote this came further than all before it. */
  further: z.boolean(),
  /** Attempts in a row that died without coming further. */
  fruitless: z.int().min(0),
  /** Whether the attempt that wrote this has not ended yet: one that vanished leaves it so. */
  open: z.boolean(),
  /** What an attempt ended with by itself, and where. */
  failure: z.strictObject({ place: z.string(), message: z.string() }).nullable(),
});
export type AttemptLog = z.infer<typeof AttemptLog>;

const Details = z.object({ attempts: AttemptLog });

/** The log as a new attempt finds it in the last heartbeat before it; one that vanished is counted now. */
export function beginAttemptLog(heartbeat: unknown): AttemptLog {
  const before = Details.safeParse(heartbeat).data?.attempts;
  if (before === undefined) return { furthest: {}, further: false, fruitless: 0, open: true, failure: null };
  const fruitless = before.open ? died(before) : before.fruitless;
  return { ...before, fruitless, further: false, open: true };
}

/** The log after a sign of progress. */
export function hearProgress(log: AttemptLog, at: { stage: string; done: number }): AttemptLog {
  if (at.done <= (log.furthest[at.stage] ?? 0)) return log;
  return { ...log, further: true, furthest: { ...log.furthest, [at.stage]: at.done } };
}

function died({ further, fruitless }: AttemptLog): number {
  return further ? 0 : fruitless + 1;
}

/** How an attempt ended: its error's kind and text, and the stage and count that it was at. */
export interface AttemptFailure {
  kind: ErrorKind;
  message: string;
  place: string;
  /** Whether a full disk, a lost connection and the like is behind it: what may be over by the next attempt. */
  passing: boolean;
}

/**
 * The log at an attempt's end, and what follows: another attempt, or none because it would end as the last two did, or
 * because too many in a row died where others had died before.
 */
export function endAttemptLog(
  log: AttemptLog,
  failure: AttemptFailure,
  mostFruitless: number,
): { log: AttemptLog; next: 'again' | 'repeated' | 'fruitless' } {
  const closed = { ...log, open: false };
  if (failure.kind === 'TrainerDied') {
    const fruitless = died(log);
    return { log: { ...closed, fruitless }, next: fruitless >= mostFruitless ? 'fruitless' : 'again' };
  }
  if (failure.kind !== 'Internal' || failure.passing) return { log: closed, next: 'again' };
  const message = comparable(failure.message);
  const repeated = log.failure?.place === failure.place && log.failure.message === message;
  return {
    log: { ...closed, failure: { place: failure.place, message } },
    next: repeated ? 'repeated' : 'again',
  };
}

const MAX_LENGTH = 2000;

/** An error's text without what differs from attempt to attempt: addresses, process ids, folders of an attempt. */
function comparable(message: string): string {
  return message.replace(/0x[0-9a-f]+|[0-9a-f]{8,}|\d+/gi, '#').slice(0, MAX_LENGTH);
}
