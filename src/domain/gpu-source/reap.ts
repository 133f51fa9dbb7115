import type { Spent } from './fleet.ts';
import { type FleetAction, type FleetView, planFleet } from './plan.ts';
import { costOf, isWorkerOf, monthOf } from './session.ts';
import type { SourcesFile } from './sources-file.ts';

/** What a reaping closes: what the fleet would, and sessions without work that nobody has seen at work. */
export function planReaping(
  file: SourcesFile,
  view: FleetView,
): Extract<FleetAction, { do: 'close' | 'remove-orphan' }>[] {
  const { actions } = planFleet(file, { ...view, lastBusy: seenBusy(view) });
  return actions.filter((action) => action.do === 'close' || action.do === 'remove-orphan');
}

/** When sessions had work, as far as it was seen: what a reaper sees for the first time counts only if it works now. */
function seenBusy({ working, lastBusy, now }: FleetView): ReadonlyMap<string, number> {
  const isBusy = (name: string) => working.some(({ identity }) => isWorkerOf(name, identity));
  return new Map([...lastBusy].filter(([name, at]) => at < now || isBusy(name)));
}

/** What closed sessions of this month cost, by run and currency. */
export function spentOf({ sessions, now }: Pick<FleetView, 'sessions' | 'now'>): Spent[] {
  const sums = new Map<string, Spent>();
  const month = monthOf(now);
  for (const session of sessions) {
    const { run, price, closedAt, openedAt } = session;
    if (closedAt === null || price.perHour === 0 || monthOf(openedAt) !== month) continue;
    const key = JSON.stringify([run, price.currency]);
    const known = sums.get(key)?.amount ?? 0;
    sums.set(key, { run, amount: known + costOf(session, now), currency: price.currency });
  }
  return [...sums.values()].slice(-MAX_RUNS);
}

/** Runs whose costs travel with the fleet's status. */
const MAX_RUNS = 100;
