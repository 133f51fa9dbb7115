import type { FleetStatus } from '../domain/gpu-source/fleet.ts';
import { costOf, describeSession, type GpuSession, money } from '../domain/gpu-source/session.ts';
import { duration } from './output.ts';

/** What the fleet is doing about work that waits. */
export function fleetLines({ sessions, obstacles }: FleetStatus): string[] {
  const starting = sessions
    .filter(({ readyAt }) => readyAt === null)
    .map(
      ({ name, source, accelerator, openedAt }) =>
        `GPU session ${name} (${source} ${accelerator}) is starting since ${duration((Date.now() - openedAt) / 1000)}`,
    );
  return [...starting, ...obstacles];
}

/** Sessions that are open for a run, and what it has cost up to now. */
export function sessionsOfRun(fleet: FleetStatus, run: string, now: number): string[] {
  const own = fleet.sessions.filter((session) => session.run === run);
  const spent = amounts(
    own,
    fleet.spent.filter((one) => one.run === run),
    now,
  );
  return [
    ...own.map(
      (session) =>
        `GPU session ${session.name} (${session.source} ${session.accelerator}) ${describeSession(session)}, open for ${duration((now - session.openedAt) / 1000)}`,
    ),
    ...(spent === '' ? [] : [`GPU sessions of this run this month: ${spent}`]),
  ];
}

/** The fleet in a line or two, below the list of runs. */
export function fleetSummary(fleet: FleetStatus, now: number): string[] {
  const { sessions, spent, obstacles } = fleet;
  const open = sessions
    .map(
      (session) => `${session.name} (${session.source} ${session.accelerator}, ${describeSession(session)})`,
    )
    .join(', ');
  const cost = amounts(sessions, spent, now);
  const line = `GPU sessions: ${open === '' ? 'none open' : open}${cost === '' ? '' : `; ${cost} this month`}`;
  return [line, ...obstacles.map((obstacle) => `! ${obstacle}`)];
}

/** What closed and open sessions cost, an amount a currency; empty: nothing. */
function amounts(open: readonly GpuSession[], closed: FleetStatus['spent'], now: number): string {
  const sums = new Map<string, number>();
  const add = (currency: string, amount: number) => sums.set(currency, (sums.get(currency) ?? 0) + amount);
  for (const { currency, amount } of closed) add(currency, amount);
  for (const session of open)
    if (session.price.perHour > 0) add(session.price.currency, costOf(session, now));
  return [...sums].map(([currency, amount]) => money(amount, currency)).join(' + ');
}
