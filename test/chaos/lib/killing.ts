import { watch } from 'node:fs';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fetchCheckpoint } from '../../../src/activities/support/checkpoint-folder.ts';
import { chooseCheckpoint, readBranch, type TrainingBranch } from '../../../src/activities/train/branch.ts';
import type { TrainRequest } from '../../../src/domain/run/activities.ts';
import type { Training } from '../../../src/domain/training/training.ts';
import { isAlive, signalIfThere } from '../../../src/wire/processes.ts';
import type { Random } from '../../local-hub/random.ts';
import { type Fleet, type Machine, until } from './fleet.ts';
import { courseOf, readTrace, tail } from './trace.ts';

/** Where the axe falls: anywhere at all, on the trainer alone, while a checkpoint is written, while it is uploaded, or before training. */
export const MOMENTS = ['machine', 'trainer', 'mid-checkpoint', 'mid-upload', 'before training'] as const;
export type Moment = (typeof MOMENTS)[number];

/** What one kill did. */
export interface Kill {
  run: string;
  moment: Moment;
  /** Step that the killed attempt had reached; null: it had not begun to train. */
  reached: number | null;
  /** Step of the newest whole checkpoint on the Hub afterwards. */
  saved: number;
  repeatedSteps: number;
  repeatedSeconds: number;
  /** Why what the Hub holds could not have been gone on from. */
  unusable: string[];
}

/** How a run ended after its kills. */
export interface KilledRun {
  run: string;
  kills: Kill[];
  result: Training;
  /** Attempts that ended with an error of their own. */
  failed: number;
}

/** Kills a run's machines until the quota is met or the run is done, each time going on in an empty folder. */
export async function killAgainAndAgain(p: {
  fleet: Fleet;
  request: TrainRequest;
  quota: number;
  random: Random;
  moments: readonly Moment[];
  onKill?: (kill: Kill) => void;
}): Promise<KilledRun> {
  const { fleet, request, random } = p;
  const { run, config, repos } = request.context;
  const branch: TrainingBranch = {
    hub: fleet.hub,
    repo: { type: 'model', repo: repos.checkpoints },
    name: 'main',
  };
  const kills: Kill[] = [];
  const running = await fleet.start(request);
  let ended = false;
  void running.result.finally(() => (ended = true)).catch(() => undefined);
  let machine = await fleet.startMachine();
  const dead = new Set<number>();
  while (!ended && kills.length < p.quota) {
    const moment = random.pick(p.moments);
    const lifeMs = random.int(1.3 * config.checkpoints.maxSeconds * 1000);
    const trainer = await strike({ fleet, machine, moment, lifeMs, random, dead, isOver: () => ended });
    if (ended) break;
    const killedAt = Date.now();
    if (moment !== 'trainer' || !machine.worker.isRunning()) {
      await fleet.vanish(machine);
      machine = await fleet.startMachine();
    }
    if (trainer !== null) dead.add(trainer);
    const state = await inspect(fleet, branch);
    const course = trainer === null ? null : courseOf(readTrace(fleet.traces, trainer));
    const since =
      course === null
        ? killedAt
        : state.saved <= course.from
          ? course.beganAt
          : course.reachedAt.get(state.saved);
    const kill: Kill = {
      ...{ run, moment, reached: course?.last ?? null, saved: state.saved, unusable: state.unusable },
      repeatedSteps: course === null ? 0 : course.last - state.saved,
      repeatedSeconds: (killedAt - (since ?? killedAt)) / 1000,
    };
    kills.push(kill);
    p.onKill?.(kill);
  }
  const result = await running.result;
  await machine.worker.stop(20);
  const { ledger } = await readBranch(branch);
  const failed = ledger.attempts.filter((attempt) => attempt.ended === 'failed').length;
  return { run, kills, result, failed };
}

/** Waits for the moment and kills the trainer there; its pid, or null when it had none yet. */
async function strike(p: {
  fleet: Fleet;
  machine: Machine;
  moment: Moment;
  lifeMs: number;
  random: Random;
  dead: ReadonlySet<number>;
  isOver: () => boolean;
}): Promise<number | null> {
  const { fleet, machine, moment, random } = p;
  if (moment === 'before training') {
    await delay(random.int(3000));
    const trainer = await fleet.trainerOf(machine, p.dead);
    if (trainer !== null) signalIfThere(trainer, 'SIGKILL');
    return trainer;
  }
  const trainer = await until('a trainer trains', async () => {
    if (p.isOver()) return -1;
    const pid = await fleet.trainerOf(machine, p.dead);
    return pid !== null && courseOf(readTrace(fleet.traces, pid)) !== null ? pid : null;
  });
  if (trainer === -1) return null;
  if (moment === 'mid-checkpoint' || moment === 'mid-upload') {
    const sign = moment === 'mid-checkpoint' ? '.tmp-' : 'step-';
    await checkpointOf({ ...p, trainer, sign, nth: 1 + random.int(2) });
  }
  if (moment === 'mid-upload') await delay(random.int(60));
  if (moment === 'machine' || moment === 'trainer') await Promise.race([delay(p.lifeMs), over(p.isOver)]);
  if (!p.isOver()) signalIfThere(trainer, 'SIGKILL');
  return trainer;
}

async function over(isOver: () => boolean): Promise<void> {
  while (!isOver()) await delay(20);
}

/** Resolves when the n-th name that begins so appears among the local checkpoints, or the trainer is gone. */
async function checkpointOf(p: {
  machine: Machine;
  trainer: number;
  sign: string;
  nth: number;
  isOver: () => boolean;
}): Promise<void> {
  const folder = await until('there is a folder for checkpoints', async () => {
    if (p.isOver() || !isAlive(p.trainer)) return '';
    const files = await readdir(p.machine.work, { recursive: true });
    const found = files.filter((file) => /attempt-\d+\/checkpoints$/.test(file)).at(-1);
    return found === undefined ? null : join(p.machine.work, found);
  });
  if (folder === '') return;
  const watching = new AbortController();
  const seen = new Set<string>();
  await new Promise<void>((resolve) => {
    const watcher = watch(folder, { signal: watching.signal }, (_event, name) => {
      if (name?.startsWith(p.sign)) seen.add(name);
      if (seen.size >= p.nth) resolve();
    });
    watcher.on('error', () => resolve());
    void over(() => p.isOver() || !isAlive(p.trainer)).then(resolve);
  });
  watching.abort();
}

/** Downloads and verifies what a fresh machine would go on from. */
async function inspect(fleet: Fleet, branch: TrainingBranch): Promise<{ saved: number; unusable: string[] }> {
  const folder = await mkdtemp(join(fleet.root, 'inspect-'));
  try {
    const { head, checkpoints } = await readBranch(branch);
    const { checkpoint, damaged } = await chooseCheckpoint(branch, head, checkpoints);
    if (checkpoint === null) return { saved: 0, unusable: damaged };
    await fetchCheckpoint({
      ...{
        hub: branch.hub,
        ref: { ...branch.repo, commit: head },
        path: checkpoint.folder,
        toFolder: folder,
      },
    });
    return { saved: checkpoint.step, unusable: damaged };
  } catch (error) {
    return { saved: 0, unusable: [String(error)] };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Lets a run go through undisturbed. */
export async function undisturbed(fleet: Fleet, request: TrainRequest): Promise<Training> {
  const machine = await fleet.startMachine();
  const { result } = await fleet.start(request);
  const training = await result;
  await machine.worker.stop(20);
  return training;
}

/** Reads a trainer's events as they come until one has a property; what it is, or null when the trainer is gone. */
export async function eventOf<T>(
  fleet: Fleet,
  trainer: number,
  find: (event: ReturnType<typeof readTrace>[number]) => T | null,
): Promise<T | null> {
  const read = tail(fleet.traces, trainer);
  return until('the trainer says so', () => {
    for (const event of read()) {
      const found = find(event);
      if (found !== null) return { found };
    }
    return isAlive(trainer) ? null : { found: null };
  }).then(({ found }) => found);
}
