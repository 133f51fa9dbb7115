import { setTimeout as sleep } from 'node:timers/promises';
import type { Relay, Weather } from './relay.ts';
import type { Topology } from './topology.ts';

/** What faults befall. */
export interface Scene {
  topology: Topology;
  /** Between workers and the servers. */
  temporalProxy: Relay;
  hubProxy: Relay;
}

/** Something bad that happens, and is over when it returns. */
export interface Fault {
  name: string;
  needs?: 'postgres';
  /** Part of the asked number of times: what takes long is done less often. */
  share?: number;
  strike(scene: Scene): Promise<void>;
}

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

/** Every fault, in the order of the table. */
export const FAULTS: Fault[] = [
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
  { name: 'SIGSTOP GPU worker for 40 s, past its heartbeat', share: 0.15, strike: freezing('gpu', 40) },
  { name: 'SIGSTOP pipeline worker for 5 s', share: 0.5, strike: freezing('pipeline', 5) },
  { name: 'Hub: network cut for 2 s', share: 0.5, strike: weather('hubProxy', { kind: 'cut' }, 2) },
  {
    name: 'Hub: every chunk 200 ms late for 5 s',
    share: 0.5,
    strike: weather('hubProxy', { kind: 'slow', ms: 200 }, 5),
  },
  {
    name: 'Hub: one byte in 4,096 changed for 1 s',
    share: 0.5,
    strike: weather('hubProxy', { kind: 'corrupt', every: 4096 }, 1),
  },
  { name: 'Temporal: network cut for 3 s', share: 0.5, strike: weather('temporalProxy', { kind: 'cut' }, 3) },
  {
    name: 'Temporal: every chunk 200 ms late for 5 s',
    share: 0.5,
    strike: weather('temporalProxy', { kind: 'slow', ms: 200 }, 5),
  },
  {
    name: 'Temporal: one byte in 4,096 changed for 1 s',
    share: 0.5,
    strike: weather('temporalProxy', { kind: 'corrupt', every: 4096 }, 1),
  },
];
