import { classOfMachine, describeClass, type GpuClass } from '../run/gpu-class.ts';
import { classOfQueue } from '../run/task-queues.ts';
import { acceleratorOf, factsOf } from '../training/accelerators.ts';
import { moneyLeft } from './money.ts';
import { type GpuSession, isWorkerOf, monthOf } from './session.ts';
import { isQuiet, type SourceConfig, type SourcesFile } from './sources-file.ts';

/** GPU work that no worker has taken. */
export interface WaitingWork {
  run: string;
  /** Workflow that asked for it: the run, or its study. */
  workflowId: string;
  queue: string;
  activity: string;
  since: number;
}

/** All that a decision is made from. */
export interface FleetView {
  now: number;
  /** First part of the sessions' names. */
  prefix: string;
  waiting: readonly WaitingWork[];
  /** `budget.money` of the runs that have one. */
  money: ReadonlyMap<string, number>;
  /** Work that a worker has, by the worker's identity; one that died keeps it until its heartbeat times out. */
  working: readonly { identity: string; work: WaitingWork }[];
  /** Workers that ask for work. */
  pollers: readonly { queue: string; identity: string }[];
  /** Sessions of this month and the one before, and all that are open. */
  sessions: readonly GpuSession[];
  /** Names that each source lists now; null: it did not answer, and nothing is concluded from it. */
  listed: ReadonlyMap<string, readonly string[] | null>;
  /** When each session last had work, as far as is known. */
  lastBusy: ReadonlyMap<string, number>;
  /** Workflows that were told that their money is spent. */
  told: readonly string[];
  /** What people asked for by hand. */
  asked: { open: { source: string; accelerator: string; queue: string } | null; close: readonly string[] };
}

export type FleetAction =
  | {
      do: 'open';
      /** The session's name is decided with the plan, so that an opening that is tried again is the same session. */
      name: string;
      /** When that was. */
      at: number;
      source: string;
      accelerator: string;
      queue: string;
      run: string | null;
      why: string;
    }
  | { do: 'reopen'; session: GpuSession }
  | { do: 'ready'; session: GpuSession }
  | { do: 'close'; session: GpuSession; ended: NonNullable<GpuSession['ended']>; why: string }
  | { do: 'remove-orphan'; source: string; name: string }
  | { do: 'tell-spent'; workflowId: string; why: string };

/** What the fleet does next, and in words what it is waiting for. */
export interface FleetPlan {
  actions: FleetAction[];
  /** Why waiting work gets no machine, a sentence each. */
  obstacles: string[];
}

const MINUTE = 60_000;
/** A listing may be behind: a session younger than this is not called lost because it is not in it. */
const LISTING_DELAY_MS = 20_000;

/** Decides by the ledger, the sources' lists and the queues. Pure: the same view gives the same plan. */
export function planFleet(file: SourcesFile, view: FleetView): FleetPlan {
  const open = view.sessions.filter(({ closedAt }) => closedAt === null);
  const kept: GpuSession[] = [];
  // Sessions that are there until they are closed, which takes its time: their source has no place for another yet.
  const leaving: GpuSession[] = [];
  const actions: FleetAction[] = [];
  for (const session of open) {
    const action = nextOf(session, file, view);
    if (action !== null) actions.push(action);
    if (action?.do !== 'close') kept.push(session);
    else if (action.ended !== 'lost') leaving.push(session);
  }
  for (const [source, names] of view.listed)
    for (const name of names ?? [])
      if (name.startsWith(view.prefix) && !open.some((session) => session.name === name))
        actions.push({ do: 'remove-orphan', source, name });
  const obstacles: string[] = [];
  const month = monthOf(view.now);
  let number = view.sessions.filter(({ openedAt }) => monthOf(openedAt) === month).length;
  const nextName = (): string => {
    number += 1;
    return `${view.prefix}${month.slice(2).replace('-', '')}-${number}`;
  };
  const { asked } = view;
  if (asked.open !== null)
    actions.push({
      do: 'open',
      name: nextName(),
      at: view.now,
      ...asked.open,
      run: null,
      why: 'asked for by hand',
    });
  for (const work of uncovered(kept, view, [...view.waiting, ...abandoned(kept, view)])) {
    const found = choose(work, file, view, [...kept, ...leaving]);
    if (found.choice === null) obstacles.push(...found.obstacles);
    else actions.push({ do: 'open', name: nextName(), at: view.now, ...found.choice });
  }
  actions.push(...spentRuns(file, view));
  return { actions, obstacles: [...new Set(obstacles)] };
}

/** What happens with one open session; null: nothing. */
function nextOf(session: GpuSession, file: SourcesFile, view: FleetView): FleetAction | null {
  const { now } = view;
  const config = file.sources.find(({ name }) => name === session.source);
  const close = (ended: NonNullable<GpuSession['ended']>, why: string): FleetAction => ({
    do: 'close',
    session,
    ended,
    why,
  });
  if (config === undefined) return close('by-hand', `source ${session.source} is no longer in the file`);
  if (view.asked.close.includes(session.name)) return close('by-hand', 'closed by hand');
  const spent = overCap(session, file, view);
  if (spent !== null) return close('cap', spent);
  // The worker that asked for it died in between: the same name is asked for again, so nothing is paid twice.
  if (session.startedAt === null) return { do: 'reopen', session };
  const names = view.listed.get(session.source) ?? null;
  if (names !== null && !names.includes(session.name) && now - session.startedAt > goneAfter(config))
    return close('lost', 'its source no longer lists it');
  const alive = [...view.working, ...view.pollers].map(({ identity }) => identity);
  if (session.readyAt === null) {
    if (alive.some((identity) => isWorkerOf(session.name, identity))) return { do: 'ready', session };
    const limit = config.pollWithinMinutes * MINUTE;
    return now - session.startedAt > limit
      ? close('never-polled', `its worker did not ask for work within ${config.pollWithinMinutes} minutes`)
      : null;
  }
  if (now - session.openedAt > config.hours * 3_600_000)
    return close('age', `it was open for ${config.hours} hours`);
  const lastBusy = Math.max(session.readyAt, view.lastBusy.get(session.name) ?? 0);
  const own = classOf(session.accelerator);
  const needed = view.waiting.some(({ queue }) => queue === session.queue || classOfQueue(queue) <= own);
  return !needed && now - lastBusy > config.idleMinutes * MINUTE
    ? close('idle', `it had no work for ${config.idleMinutes} minutes`)
    : null;
}

/** Processes of this machine are listed at once; a far list may lag behind. */
function goneAfter(config: SourceConfig): number {
  return config.kind === 'local' ? 0 : LISTING_DELAY_MS;
}

/** Work whose session has ended: its next attempt will wait, and a machine takes its time to come. */
function abandoned(open: readonly GpuSession[], view: FleetView): WaitingWork[] {
  const ours = (identity: string) => view.sessions.some(({ name }) => isWorkerOf(name, identity));
  const alive = (identity: string) => open.some(({ name }) => isWorkerOf(name, identity));
  return view.working.filter(({ identity }) => ours(identity) && !alive(identity)).map(({ work }) => work);
}

/** Work that no open session will take; two runs that wait for the same class share one that is on its way. */
function uncovered(
  open: readonly GpuSession[],
  view: FleetView,
  waiting: readonly WaitingWork[],
): WaitingWork[] {
  const isBusy = (session: GpuSession) =>
    view.working.some(({ identity }) => isWorkerOf(session.name, identity));
  const found: WaitingWork[] = [];
  for (const queue of new Set(waiting.map((work) => work.queue))) {
    const works = waiting.filter((work) => work.queue === queue);
    // A session serves its class and the smaller ones.
    const serves = (session: GpuSession) =>
      session.queue === queue || classOf(session.accelerator) >= Math.max(1, classOfQueue(queue));
    const coming = open.some((session) => serves(session) && !isBusy(session));
    const freePoller = view.pollers.some(
      (poller) =>
        poller.queue === queue &&
        !isDead(poller.identity, open, view) &&
        !view.working.some(({ identity }) => identity === poller.identity),
    );
    const first = works.toSorted((a, b) => a.since - b.since)[0];
    if (!coming && !freePoller && first !== undefined) found.push(first);
  }
  return found;
}

/** A worker whose session has ended is in the list of pollers for some minutes more. */
function isDead(identity: string, open: readonly GpuSession[], view: FleetView): boolean {
  const session = view.sessions.find(({ name }) => isWorkerOf(name, identity));
  return session !== undefined && !open.includes(session);
}

type Choice = Omit<Extract<FleetAction, { do: 'open' }>, 'do' | 'name' | 'at'>;

/** The first source, in the file's order, that may open now; else why none may. */
function choose(
  work: WaitingWork,
  file: SourcesFile,
  view: FleetView,
  open: readonly GpuSession[],
): { choice: Choice | null; obstacles: string[] } {
  const obstacles: string[] = [];
  const money = moneyLeft(work.run, file.caps, view);
  for (const source of file.sources) {
    const { name } = source;
    if (isQuiet(source.quietHours, view.now)) {
      obstacles.push(`${name}: quiet hours until ${source.quietHours?.to}`);
      continue;
    }
    const current = open.filter((session) => session.source === name).length;
    if (current >= source.sessions) {
      obstacles.push(`${name}: ${current} of ${source.sessions} sessions are open`);
      continue;
    }
    if (source.price.perHour > 0 && money !== null && money.left <= 0) {
      obstacles.push(`${name}: ${money.why}`);
      continue;
    }
    for (const accelerator of source.accelerators) {
      const has = classOf(accelerator);
      // This machine has what it has: its worker asks only for what fits.
      if (source.kind !== 'local' && has < classOfQueue(work.queue)) {
        obstacles.push(
          `${name} ${accelerator}: ${work.activity} needs ${describeClass(classOfQueue(work.queue))}`,
        );
        continue;
      }
      const wait = refusedUntil(name, accelerator, view);
      if (wait === null)
        return {
          choice: {
            source: name,
            accelerator,
            queue: work.queue,
            run: work.run,
            why: `${work.run}: ${work.activity} waits for a GPU`,
          },
          obstacles,
        };
      const why = wait.detail.startsWith(`${name}: `) ? wait.detail.slice(name.length + 2) : wait.detail;
      obstacles.push(`${name} ${accelerator}: ${why}; tried again at ${clock(wait.until)}`);
    }
  }
  if (file.sources.length === 0) obstacles.push('no GPU source is configured');
  return { choice: null, obstacles };
}

/** The class of an accelerator by its name in the table of accelerators; one that is not in it counts as none. */
function classOf(accelerator: string): GpuClass {
  const known = acceleratorOf({ name: accelerator });
  return known === null ? 0 : classOfMachine(factsOf(known).memory);
}

const clock = (time: number) => `${new Date(time).toISOString().slice(11, 16)} UTC`;

/** Until when an accelerator of a source is left alone: its failures in a row, from 30 seconds, doubling, to half an hour. */
export function refusedUntil(
  source: string,
  accelerator: string,
  view: Pick<FleetView, 'sessions' | 'now'>,
): { until: number; detail: string } | null {
  const tries = view.sessions
    .filter((s) => s.source === source && s.accelerator === accelerator && s.closedAt !== null)
    .toSorted((a, b) => (b.closedAt ?? 0) - (a.closedAt ?? 0));
  const failed = (s: GpuSession) =>
    s.ended === 'refused' || s.ended === 'never-polled' || (s.ended === 'lost' && s.readyAt === null);
  const good = tries.findIndex((session) => !failed(session));
  const inRow = good === -1 ? tries.length : good;
  const last = tries[0];
  if (last === undefined || inRow === 0) return null;
  const until = (last.closedAt ?? 0) + Math.min(30 * MINUTE, 30_000 * 2 ** Math.min(inRow - 1, 10));
  return until > view.now ? { until, detail: last.detail } : null;
}

/** Work that may cost no more: it waits, or a session of ours has it, and its run's own limit is reached. */
function spentRuns(file: SourcesFile, view: FleetView): FleetAction[] {
  const free = file.sources.some(({ price }) => price.perHour === 0);
  const onOurs = view.working.filter(({ identity }) =>
    view.sessions.some(({ name, price }) => price.perHour > 0 && isWorkerOf(name, identity)),
  );
  const works = [...(free ? [] : view.waiting), ...onOurs.map(({ work }) => work)];
  const found = new Map<string, string>();
  for (const { workflowId, run } of works) {
    const left = moneyLeft(run, { ...file.caps, month: null }, view);
    if (left !== null && left.left <= 0 && !view.told.includes(workflowId)) found.set(workflowId, left.why);
  }
  return [...found].map(([workflowId, why]) => ({ do: 'tell-spent', workflowId, why }));
}

/** Why a session has used up what it may cost; null: it has not. */
function overCap(session: GpuSession, file: SourcesFile, view: FleetView): string | null {
  if (session.price.perHour === 0) return null;
  const left = moneyLeft(session.run, file.caps, view);
  return left !== null && left.left <= 0 ? left.why : null;
}
