import { z } from 'zod';

/** How a session ended. */
export const SESSION_ENDS = [
  'idle',
  'age',
  'cap',
  'by-hand',
  'lost',
  'never-polled',
  'refused',
  'orphan',
] as const;

/** Why a source gave no machine. */
export const REFUSALS = [
  'no-capacity',
  'quota',
  'no-entitlement',
  'credentials',
  'settings',
  'failed',
] as const;
export type Refusal = (typeof REFUSALS)[number];

/** One machine that a source brought, from the wish to its end; times are milliseconds since the epoch. */
export const GpuSession = z.strictObject({
  /** Unique in the fleet, and the name of its worker: `pa-FLEET-NUMBER`. */
  name: z.string(),
  source: z.string(),
  accelerator: z.string(),
  /** Queue whose work it was opened for. */
  queue: z.string(),
  /** Run that waited, and its workflow; null: opened by hand. */
  run: z.string().nullable(),
  why: z.string(),
  price: z.strictObject({ perHour: z.number(), currency: z.string() }),
  /** When it was asked for: written before the source is called, so that nothing is open without a line here. */
  openedAt: z.number(),
  /** When the source said that it is there; null: not yet. */
  startedAt: z.number().nullable(),
  /** When its worker first asked for work; null: not yet. */
  readyAt: z.number().nullable(),
  closedAt: z.number().nullable(),
  ended: z.enum(SESSION_ENDS).nullable(),
  refusal: z.enum(REFUSALS).nullable(),
  detail: z.string(),
});
export type GpuSession = z.infer<typeof GpuSession>;

/** What a session has cost so far, in its currency; one that was refused cost nothing. */
export function costOf(session: GpuSession, now: number): number {
  if (session.ended === 'refused') return 0;
  const hours = Math.max(0, (session.closedAt ?? now) - session.openedAt) / 3_600_000;
  return hours * session.price.perHour;
}

/** First part of the names of one fleet's sessions: sessions of other installations on one account are never touched. */
export function sessionPrefix(fleet: string): string {
  return `pa-${fleet}-`;
}

/** UTC month of a moment, such as `2026-11`: the ledger's file. */
export function monthOf(time: number): string {
  return new Date(time).toISOString().slice(0, 7);
}

/** Whether a worker's identity is that of a session: the name, alone or followed by what its machine is. */
export function isWorkerOf(session: string, identity: string): boolean {
  return (
    identity === session || (identity.startsWith(session) && !/[0-9]/.test(identity[session.length] ?? ''))
  );
}

/** What sessions have cost together, an amount a currency, such as `1.20 USD`; free ones cost `nothing`. */
export function totalCost(sessions: readonly GpuSession[], now: number): string {
  const sums = new Map<string, number>();
  for (const session of sessions) {
    const { price } = session;
    if (price.perHour > 0) sums.set(price.currency, (sums.get(price.currency) ?? 0) + costOf(session, now));
  }
  return sums.size === 0 ? 'nothing' : [...sums].map(([currency, sum]) => money(sum, currency)).join(' + ');
}

/** An amount in words; below a unit with the digits that keep a short session from reading as free. */
export function money(amount: number, currency: string): string {
  return `${amount.toFixed(amount > 0 && amount < 1 ? 4 : 2)} ${currency}`;
}

/** The state of a session in a word or two. */
export function describeSession({ closedAt, ended, readyAt, startedAt }: GpuSession): string {
  if (closedAt !== null) return ended === 'refused' ? 'refused' : `closed: ${ended}`;
  if (readyAt !== null) return 'ready';
  return startedAt === null ? 'opening' : 'starting';
}
