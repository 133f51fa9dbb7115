import {
  type FleetActivities,
  type FleetWatch,
  type Reaped,
  shownOf,
} from '../../domain/gpu-source/fleet.ts';
import { nearCaps, offersOf } from '../../domain/gpu-source/money.ts';
import { type FleetView, planFleet } from '../../domain/gpu-source/plan.ts';
import { planReaping, spentOf } from '../../domain/gpu-source/reap.ts';
import { type GpuSession, isWorkerOf, sessionPrefix } from '../../domain/gpu-source/session.ts';
import type { SourceConfig, SourcesFile } from '../../domain/gpu-source/sources-file.ts';
import type { Ledger } from '../../gpu-sources/ledger.ts';
import { type GpuSource, SourceRefusal } from '../../gpu-sources/source.ts';

/** What the queues and runs show: what waits, who works, who asks for work. */
export type Demand = Pick<FleetView, 'waiting' | 'money' | 'working' | 'pollers'>;

export interface FleetDeps {
  file: SourcesFile;
  /** Distinguishes this installation's sessions from others' on the same account. */
  fleet: string;
  ledger: Ledger;
  sources: ReadonlyMap<string, GpuSource>;
  demand(): Promise<Demand>;
  heartbeat(): void;
  signal(): AbortSignal | undefined;
  /** Is shown every view, for metrics. */
  onView?: (view: FleetView) => void;
  /** Starts the fleet's workflow unless it runs; true: it did not. */
  startFleet?: () => Promise<boolean>;
  now?: () => number;
  /** Seconds between two looks. Default 5. */
  seconds?: number;
}

/** A watch comes back at least this often, so that a fleet that sees nothing does not look stuck. */
const MAX_WATCH_MS = 30 * 60_000;
/** Looks for a session after it was closed. */
const CLOSE_LOOKS = 30;

/** The activities of the fleet. Each may run twice: the session's name decides, and the ledger is written first. */
export function createFleetActivities(deps: FleetDeps): FleetActivities {
  const { file, fleet, ledger, sources, heartbeat, signal, now = Date.now, seconds = 5 } = deps;
  const prefix = sessionPrefix(fleet);
  const lastBusy = new Map<string, number>();

  const look = async (asked: FleetView['asked'], told: string[]): Promise<FleetView> => {
    const [demand, sessions, listed] = await Promise.all([
      deps.demand(),
      ledger.recent(now()),
      listAll(sources, signal()),
    ]);
    const at = now();
    for (const { name, closedAt } of sessions)
      if (closedAt !== null) lastBusy.delete(name);
      else if (!lastBusy.has(name) || demand.working.some(({ identity }) => isWorkerOf(name, identity)))
        lastBusy.set(name, at);
    return { ...demand, prefix, now: at, sessions, listed, lastBusy, asked, told };
  };

  const open = async (session: GpuSession): Promise<GpuSession> => {
    const source = sources.get(session.source);
    const config = file.sources.find(({ name }) => name === session.source);
    if (source === undefined || config === undefined)
      return end(session, 'by-hand', `source ${session.source} is not in the file of this worker`);
    try {
      await beating(
        source.open({
          name: session.name,
          accelerator: session.accelerator,
          hours: config.hours,
          signal: signal(),
        }),
      );
    } catch (error) {
      if (!(error instanceof SourceRefusal)) throw error;
      return ledger.change(session, {
        closedAt: now(),
        ended: 'refused',
        refusal: error.reason,
        detail: error.message.slice(0, 500),
      });
    }
    return ledger.change(session, { startedAt: now() });
  };

  const end = (session: GpuSession, ended: NonNullable<GpuSession['ended']>, why: string) =>
    ledger.change(session, { closedAt: now(), ended, detail: why });

  /** Heartbeats while a source works: its commands say nothing in between. */
  const beating = async <T>(work: Promise<T>): Promise<T> => {
    const timer = setInterval(heartbeat, 2000);
    try {
      return await work;
    } finally {
      clearInterval(timer);
    }
  };

  const closeAt = async (name: string, source: GpuSource): Promise<void> => {
    await beating(source.close(name, signal()));
    for (let looks = 0; looks < CLOSE_LOOKS; looks++) {
      if (!(await source.list(signal())).includes(name)) return;
      heartbeat();
      await pause(2000, signal());
    }
    throw new Error(`session ${name} was closed and its source still lists it: close it by hand`);
  };

  const closeSession: FleetActivities['closeSession'] = async ({ session, ended, why }) => {
    const source = sources.get(session.source);
    if (source !== undefined) await closeAt(session.name, source);
    return end(session, ended, why);
  };

  const removeOrphan: FleetActivities['removeOrphan'] = async ({ source, name }) => {
    const found = sources.get(source);
    if (found === undefined || !name.startsWith(prefix)) return;
    // Asked again: the session may have been written since the list was read.
    const sessions = await ledger.recent(now());
    if (sessions.some((one) => one.name === name && one.closedAt === null)) return;
    await closeAt(name, found);
  };

  return {
    async watchFleet({ request, shown, told }) {
      const started = now();
      for (;;) {
        const view = await look({ open: request.open, close: request.close }, told);
        const { actions, obstacles } = planFleet(file, view);
        heartbeat();
        deps.onView?.(view);
        const open = view.sessions.filter(({ closedAt }) => closedAt === null);
        const result: FleetWatch = {
          ...{ actions, obstacles, sessions: open, nearCaps: nearCaps(file.caps, view) },
          ...{ spent: spentOf(view), offers: offersOf(file), capOfRun: file.caps.run },
        };
        if (actions.length > 0 || shownOf(result) !== shown || now() - started > MAX_WATCH_MS) return result;
        await pause(seconds * 1000, signal());
      }
    },
    async openSession({ name, at, source, accelerator, queue, run, why }) {
      const session = await ledger.add({
        ...{ name, source, accelerator, queue, run, why },
        ...{ price: configOf(file, source).price, openedAt: at, startedAt: null, readyAt: null },
        ...{ closedAt: null, ended: null, refusal: null, detail: '' },
      });
      return session.closedAt === null && session.startedAt === null ? open(session) : session;
    },
    reopenSession: ({ session }) => open(session),
    markReady: ({ session }) => ledger.change(session, { readyAt: now() }),
    closeSession,
    removeOrphan,
    async reapSessions() {
      const view = await look({ open: null, close: [] }, []);
      const done: Reaped = { closed: [], failed: [], fleetStarted: (await deps.startFleet?.()) ?? false };
      for (const action of planReaping(file, view)) {
        const name = action.do === 'close' ? action.session.name : action.name;
        const why = action.do === 'close' ? action.why : 'the ledger does not know it as open';
        try {
          await (action.do === 'close' ? closeSession(action) : removeOrphan(action));
          done.closed.push({ name, why });
        } catch (error) {
          if (signal()?.aborted) throw error;
          done.failed.push({ name, why: error instanceof Error ? error.message : String(error) });
        }
      }
      return done;
    },
  };
}

function configOf(file: SourcesFile, source: string): SourceConfig {
  const config = file.sources.find(({ name }) => name === source);
  if (config === undefined)
    throw new Error(
      `expected one of ${file.sources.map(({ name }) => name).join(', ')}, got source "${source}"`,
    );
  return config;
}

/** What every source lists; one that does not answer lists nothing that could be relied on. */
async function listAll(
  sources: ReadonlyMap<string, GpuSource>,
  signal: AbortSignal | undefined,
): Promise<Map<string, string[] | null>> {
  const entries = [...sources].map(
    async ([name, source]) => [name, await source.list(signal).catch(() => null)] as const,
  );
  return new Map(await Promise.all(entries));
}

function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const stop = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', stop);
      resolve();
    }, ms);
    signal?.addEventListener('abort', stop, { once: true });
  });
}
