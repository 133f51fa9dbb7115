import { setTimeout as sleep } from 'node:timers/promises';
import type { Relay, Weather } from './relay.ts';
import { persistently } from './runs.ts';
import type { Folder, Topology } from './topology.ts';

/** What faults befall. */
export interface Scene {
  topology: Topology;
  /** Between workers and the servers. */
  temporalProxy: Relay;
  hubProxy: Relay;
  /** Runs that are under way. */
  runs(): readonly string[];
  /** Says what is wrong about a run in the midst of it. */
  wrong(words: string): void;
  /** Starts a run again that has ended, which goes on from what is saved. */
  again(run: string): Promise<void>;
}

/** Something bad that happens, and is over when it returns. */
export interface Fault {
  name: string;
  /** What must be there for it; undefined: nothing besides the topology. */
  needs?: 'postgres' | { disk: Folder } | 'clocks' | 'patience';
  strike(scene: Scene): Promise<void>;
}

const HOUR = 3600;

const pick = <T>(from: readonly T[]): T => from[Math.floor(Math.random() * from.length)] as T;

/** SIGKILL to one part of each kind at the same time, then all are started again. */
function killing(...kinds: string[]): Fault['strike'] {
  return async ({ topology }) => {
    const victims = kinds.map((kind) => pick(topology.names(kind)));
    await Promise.all(victims.map((name) => topology.kill(name)));
    await sleep(Math.random() * 500);
    // PostgreSQL before the Temporal server that needs it.
    for (const name of victims.sort((a, b) => Number(b === 'postgres') - Number(a === 'postgres')))
      await topology.bring(name);
    await topology.mend();
  };
}

/** A person cancels a run whose GPU worker has just vanished; it must end as cancelled, and continue when it is started again. */
async function cancelWithoutGpu({ topology, runs, wrong, again }: Scene): Promise<void> {
  const run = pick(runs());
  await Promise.all(topology.names('gpu').map((name) => topology.kill(name)));
  if (run !== undefined) {
    const handle = topology.client.workflow.getHandle(run);
    await persistently(() => handle.cancel()).catch(() => undefined);
    const ended = () => persistently(async () => (await handle.describe()).status.name);
    const end = Date.now() + CANCEL_PATIENCE_MS;
    while ((await ended()) === 'RUNNING' && Date.now() < end) await sleep(500);
    const how = await ended();
    // It may have ended well just before it was asked.
    if (how !== 'CANCELLED' && how !== 'COMPLETED')
      wrong(`${run}: cancelled with a dead GPU, and it is ${how}`);
    if (how !== 'COMPLETED') await again(run);
  }
  for (const name of topology.names('gpu')) await topology.bring(name);
}

/** A dead worker's heartbeat times out, and the last report may take two minutes. */
const CANCEL_PATIENCE_MS = 6 * 60_000;

/** Every run refuses a decision that comes too early; then all that remember it are gone. */
async function refusedThenRestart({ topology, runs, wrong }: Scene): Promise<void> {
  for (const run of runs()) {
    const decision = topology.client.workflow
      .getHandle(run)
      .executeUpdate('approve', { args: [{ by: 'chaos', reason: 'too early' }] });
    await decision.then(
      () => wrong(`${run}: approved before there was anything to approve`),
      () => undefined,
    );
  }
  await killing('pipeline')({ topology } as Scene);
  await killing('pipeline')({ topology } as Scene);
}

/** A worker that stands still for longer than it may be silent: its successor takes over, then it wakes up. */
function freezing(kind: string, seconds: number): Fault['strike'] {
  return async ({ topology }) => {
    const name = pick(topology.names(kind));
    topology.signal(name, 'SIGSTOP');
    await sleep(seconds * 1000);
    topology.signal(name, 'SIGCONT');
  };
}

function weather(which: 'temporalProxy' | 'hubProxy', bad: Weather, seconds: number): Fault['strike'] {
  return async (scene) => {
    scene[which].weather = bad;
    await sleep(seconds * 1000);
    scene[which].weather = { kind: 'clear' };
  };
}

/** No byte is free where these parts write; what ended of it is started again, as a restart policy does. */
function full(disk: Folder, seconds: number): Pick<Fault, 'needs' | 'strike'> {
  return {
    needs: { disk },
    strike: async ({ topology }) => {
      await topology.fill(disk, seconds);
      await topology.mend();
    },
  };
}

/** The wall clock of one part jumps, ahead or back, stays there for a while, and is set right again. */
function clockJump(kind: string, jump: number, seconds: number): Pick<Fault, 'needs' | 'strike'> {
  return {
    needs: 'clocks',
    strike: async ({ topology }) => {
      const name = pick(topology.names(kind));
      topology.moveClock(name, Math.random() < 0.5 ? jump : -jump);
      await sleep(seconds * 1000);
      topology.moveClock(name, 0);
    },
  };
}

/** What of the topology a fault lacks here, in words; null: it can strike. */
export function lacks(
  fault: Fault,
  topology: Topology,
  { postgres, patience }: { postgres: boolean; patience: boolean },
): string | null {
  const { needs } = fault;
  if (needs === undefined || (needs === 'postgres' && postgres)) return null;
  if (needs === 'patience' && patience) return null;
  if (needs === 'postgres') return 'only with --postgres';
  if (needs === 'patience') return 'only with --patience';
  if (needs === 'clocks') return topology.hasClocks() ? null : 'libfaketime is not installed';
  if (needs.disk === 'postgres' && !postgres) return 'only with --postgres';
  if (needs.disk === 'temporal' && postgres) return 'its files are in PostgreSQL';
  return topology.hasDisk(needs.disk) ? null : 'this user may not mount a file system';
}

/** Every fault, in the order of the table. */
export const FAULTS: Fault[] = [
  { name: 'cancelled while every GPU worker is dead, then started again', strike: cancelWithoutGpu },
  { name: 'approval refused in every run, then the workers restart', strike: refusedThenRestart },
  { name: 'Hub away for 20 min', needs: 'patience', strike: weather('hubProxy', { kind: 'cut' }, 20 * 60) },
  { name: 'kill -9 GPU worker', strike: killing('gpu') },
  { name: 'kill -9 pipeline worker', strike: killing('pipeline') },
  { name: 'kill -9 local Hub', strike: killing('hub') },
  { name: 'kill -9 Temporal server', strike: killing('temporal') },
  { name: 'kill -9 PostgreSQL', needs: 'postgres', strike: killing('postgres') },
  { name: 'kill -9 GPU worker and Hub together', strike: killing('gpu', 'hub') },
  {
    name: 'kill -9 Temporal, Hub, both kinds of worker together',
    strike: killing('temporal', 'hub', 'pipeline', 'gpu'),
  },
  {
    name: 'kill -9 PostgreSQL and Temporal together',
    needs: 'postgres',
    strike: killing('postgres', 'temporal'),
  },
  { name: 'SIGSTOP GPU worker for 40 s, past its heartbeat', strike: freezing('gpu', 40) },
  { name: 'SIGSTOP pipeline worker for 5 s', strike: freezing('pipeline', 5) },
  { name: 'Hub: network cut for 2 s', strike: weather('hubProxy', { kind: 'cut' }, 2) },
  {
    name: 'Hub: every chunk 200 ms late for 5 s',
    strike: weather('hubProxy', { kind: 'slow', ms: 200 }, 5),
  },
  {
    name: 'Hub: one byte in 4,096 changed for 1 s, TLS',
    strike: weather('hubProxy', { kind: 'corrupt', every: 4096 }, 1),
  },
  { name: 'Temporal: network cut for 3 s', strike: weather('temporalProxy', { kind: 'cut' }, 3) },
  {
    name: 'Temporal: every chunk 200 ms late for 5 s',
    strike: weather('temporalProxy', { kind: 'slow', ms: 200 }, 5),
  },
  {
    name: 'Temporal: one byte in 4,096 changed for 1 s',
    strike: weather('temporalProxy', { kind: 'corrupt', every: 4096 }, 1),
  },
  { name: 'disk of the local Hub full for 4 s', ...full('hub', 4) },
  { name: 'disk of every worker full for 4 s', ...full('work', 4) },
  { name: 'disk of the Temporal server full for 4 s', ...full('temporal', 4) },
  { name: 'disk of PostgreSQL full for 4 s', ...full('postgres', 4) },
  { name: 'clock of a GPU worker an hour off for 5 s', ...clockJump('gpu', HOUR, 5) },
  { name: 'clock of a pipeline worker an hour off for 5 s', ...clockJump('pipeline', HOUR, 5) },
  { name: 'clock of the local Hub an hour off for 5 s', ...clockJump('hub', HOUR, 5) },
];
