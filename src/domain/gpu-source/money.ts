import { costOf, type GpuSession, money, monthOf } from './session.ts';
import type { SourcesFile } from './sources-file.ts';

/** What was spent, and what runs allow. */
export interface Spending {
  now: number;
  /** `budget.money` of the runs that have one. */
  money: ReadonlyMap<string, number>;
  sessions: readonly GpuSession[];
}

type Caps = SourcesFile['caps'];

/** Money that work may still cost, and what limits it; null: nothing does. */
export function moneyLeft(
  run: string | null,
  caps: Caps,
  spending: Spending,
): { left: number; why: string } | null {
  const limits = limitsOf(run, caps, spending).map(({ cap, spent, of }) => ({
    left: cap - spent,
    why: `${spent.toFixed(2)} of ${cap.toFixed(2)} are spent ${of}`,
  }));
  return limits.toSorted((a, b) => a.left - b.left)[0] ?? null;
}

/** What sessions of a kind have cost up to now. */
export function spentBy(
  { sessions, now }: Pick<Spending, 'sessions' | 'now'>,
  which: (session: GpuSession) => boolean,
): number {
  return sessions.filter(which).reduce((sum, session) => sum + costOf(session, now), 0);
}

/** Part of a limit from which on people are told. */
const NEAR = 0.8;

/** A limit that is nearly reached. */
export interface NearCap {
  /** Names the limit; people are told once of each. */
  key: string;
  run: string | null;
  text: string;
}

/** The limits of money that are nearly reached: of runs with a session that costs, and of the month. */
export function nearCaps(caps: Caps, spending: Spending): NearCap[] {
  const open = spending.sessions.filter(({ closedAt, price }) => closedAt === null && price.perHour > 0);
  const runs = new Set(open.flatMap(({ run }) => (run === null ? [] : [run])));
  const near = (run: string | null, limits: Limit[]): NearCap[] =>
    limits
      .filter(({ cap, spent }) => spent >= cap * NEAR)
      .map(({ cap, spent, of }) => ({
        key: of,
        run,
        text: `${spent.toFixed(2)} of ${cap.toFixed(2)} are spent ${of}: at the limit its sessions are closed, and what is trained stays saved`,
      }));
  return [
    ...near(null, monthLimit(caps, spending)),
    ...[...runs].flatMap((run) => near(run, runLimits(run, caps, spending))),
  ];
}

interface Limit {
  cap: number;
  spent: number;
  /** What it limits, in words. */
  of: string;
}

function limitsOf(run: string | null, caps: Caps, spending: Spending): Limit[] {
  return [...(run === null ? [] : runLimits(run, caps, spending)), ...monthLimit(caps, spending)];
}

function runLimits(run: string, caps: Caps, spending: Spending): Limit[] {
  const spent = spentBy(spending, (session) => session.run === run);
  const budget = spending.money.get(run);
  return [
    ...(budget === undefined ? [] : [{ cap: budget, spent, of: `for run ${run} (budget.money)` }]),
    ...(caps.run === null ? [] : [{ cap: caps.run, spent, of: `for run ${run} (caps.run)` }]),
  ];
}

function monthLimit(caps: Caps, spending: Spending): Limit[] {
  if (caps.month === null) return [];
  const month = monthOf(spending.now);
  const spent = spentBy(spending, (session) => monthOf(session.openedAt) === month);
  return [{ cap: caps.month, spent, of: `in ${month} (caps.month)` }];
}

/** A source that costs money, as clients see it: what a run may cost is told from these before it starts. */
export interface Offer {
  source: string;
  accelerators: string[];
  perHour: number;
  currency: string;
}

/** The sources that cost money, without what reaches them. */
export function offersOf({ sources }: Pick<SourcesFile, 'sources'>): Offer[] {
  return sources
    .filter(({ price }) => price.perHour > 0)
    .map(({ name, accelerators, price }) => ({ source: name, accelerators, ...price }));
}

/**
 * The most that a run's GPU hours may cost, in words, or null where no source costs money: its hours at the highest price, or
 * what limits it before.
 */
export function forecast(p: {
  offers: readonly Offer[];
  capOfRun: number | null;
  budget: { gpuHours: number; money: number | null };
}): { worst: number; currency: string; sentence: string } | null {
  const { offers, budget } = p;
  const dearest = offers.toSorted((a, b) => b.perHour - a.perHour)[0];
  if (dearest === undefined) return null;
  const { source, accelerators, perHour, currency } = dearest;
  const byHours = budget.gpuHours * perHour;
  const caps = [budget.money, p.capOfRun].filter((cap) => cap !== null);
  const worst = Math.min(byHours, ...caps);
  const hours = `${budget.gpuHours} GPU hours (budget.gpuHours) at ${money(perHour, currency)} an hour of ${source} ${accelerators.join(', ')}`;
  const sentence =
    worst < byHours
      ? `may cost up to ${money(worst, currency)}, where its sessions are closed; ${hours} would be ${money(byHours, currency)}`
      : `may cost up to ${money(worst, currency)}: ${hours}; start-up, evaluation and idle minutes of sessions come on top (budget.money limits all of it)`;
  return { worst, currency, sentence };
}
