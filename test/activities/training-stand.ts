import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import type { ActivityContext } from '../../src/activities/support/activity-context.ts';
import { createTrain } from '../../src/activities/train/train.ts';
import { pythonPath, readEnvironment } from '../../src/config/env.ts';
import { PROJECT } from '../../src/config/paths.ts';
import { parseRunConfig } from '../../src/domain/config/run-config.ts';
import { type CommitRef, RepoId, type RepoRef, RunName } from '../../src/domain/refs.ts';
import type { GpuProgress, TrainRequest } from '../../src/domain/run/activities.ts';
import type { RunContext } from '../../src/domain/run/context.ts';
import { runRepos } from '../../src/domain/run/repositories.ts';
import type { Training } from '../../src/domain/training/training.ts';
import { connectHub } from '../../src/hub/client.ts';
import type { Hub } from '../../src/hub/hub.ts';
import { startLocalHub } from '../../src/local-hub/server.ts';
import { createTrainer } from '../../src/trainer/process.ts';
import type { Trainer } from '../../src/trainer/trainer.ts';

const python = pythonPath(readEnvironment());
/** Token of the local Hub. */
export const TOKEN = 'hf_local_plein_air';
/** Waits that suit a test. */
export const QUICK = { firstDelayMs: 5, longestDelayMs: 20, longestRateLimitMs: 20, attempts: 3 };

/** Steps of a whole run: enough that a disturbance comes before the end, however slow the machine's Hub is. */
export const STEPS = 40;
/** Steps between checkpoints. */
export const EVERY = 5;

/** A local Hub with a small FLUX and a small dataset on it, and real trainers. */
export interface Stand {
  hub: Hub;
  root: string;
  url: string;
  request(run: string, change?: Partial<TrainRequest>): TrainRequest;
  /** One process, or several that train together. */
  newTrainer(processes?: number): Trainer;
  close(): Promise<void>;
}

const WRITE = `
import sys
from pathlib import Path
import small_dataset, small_flux
small_flux.build(Path(sys.argv[1]) / "base")
small_dataset.write(Path(sys.argv[1]) / "dataset", train=8, held_out=2)
`;

/** Starts the Hub and fills it. */
export async function openStand(): Promise<Stand> {
  const root = await mkdtemp(join(tmpdir(), 'train-'));
  const server = await startLocalHub({ root: join(root, 'hub') });
  const hub = connectHub({ endpoint: server.url, accessToken: TOKEN, patience: QUICK });
  const tests = join(PROJECT, 'gpu-worker', 'tests');
  await execa(python, ['-c', WRITE, root], {
    env: { PYTHONPATH: tests, OMP_NUM_THREADS: '1', HF_HUB_OFFLINE: '1' },
  });
  const base = await upload(hub, { type: 'model', repo: RepoId.parse('plein-air/base') }, join(root, 'base'));
  const dataset = await upload(
    hub,
    { type: 'dataset', repo: RepoId.parse('plein-air/data') },
    join(root, 'dataset'),
  );
  const trainers: Trainer[] = [];
  return {
    hub,
    root,
    url: server.url,
    request: (run, change) => ({
      context: context(run, base, dataset),
      dataset,
      branch: 'main',
      parameters: {},
      stopAtStep: null,
      acceptDifferences: [],
      ...change,
    }),
    newTrainer: (processes = 1) => {
      const trainer = createTrainer({
        python,
        packageFolder: join(PROJECT, 'gpu-worker', 'src'),
        processes,
        log: () => undefined,
        killGraceMs: 500,
      });
      trainers.push(trainer);
      return trainer;
    },
    close: async () => {
      await Promise.all(trainers.map((trainer) => trainer.close()));
      await server.close();
      await rm(root, { recursive: true, force: true });
    },
  };
}

/** Puts a folder's files into a repository of their own. */
export async function upload(hub: Hub, repo: RepoRef, folder: string): Promise<CommitRef> {
  const { readdir } = await import('node:fs/promises');
  const found = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = found
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .map((file) => ({ path: file.slice(folder.length + 1), content: { file } }));
  await hub.ensureRepo(repo);
  return { ...repo, commit: await hub.commit({ repo, message: 'Upload', files }) };
}

function context(run: string, base: CommitRef, source: CommitRef): RunContext {
  const parsed = parseRunConfig({
    run,
    seed: 7,
    dataset: { resolution: 64 },
    training: {
      steps: STEPS,
      batchSize: 2,
      warmupSteps: 2,
      rank: 2,
      alpha: 2,
      checkpointEvery: EVERY,
      heldOutEvery: 20,
      keepCheckpoints: 2,
    },
    tuning: { steps: 6 },
  });
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.problems));
  return {
    run: RunName.parse(run),
    workflowId: `wf-${run}`,
    runId: `run-of-${run}`,
    config: parsed.value,
    namespace: 'plein-air',
    base,
    source,
    repos: runRepos('plein-air', RunName.parse(run), parsed.value.model),
  };
}

/** One attempt at an activity, as Temporal would run it. */
export interface AttemptInTest {
  beats: GpuProgress[];
  cancel: (reason: string) => void;
  result: Promise<Training>;
}

let folders = 0;

/** Starts an attempt in an empty folder; `onBeat` sees every heartbeat. */
export function attempt(
  stand: Stand,
  request: TrainRequest,
  p: {
    trainer: Trainer;
    hub?: Hub;
    number?: number;
    before?: GpuProgress | undefined;
    info?: Partial<ActivityContext['info']>;
    onBeat?: (progress: GpuProgress) => void;
    log?: (line: string) => void;
  },
): AttemptInTest {
  folders += 1;
  const abort = new AbortController();
  const beats: GpuProgress[] = [];
  const activity: ActivityContext = {
    info: {
      workflowExecution: { workflowId: request.context.workflowId, runId: request.context.runId },
      activityId: 'train',
      attempt: p.number ?? 1,
      heartbeatDetails: p.before,
      ...p.info,
    },
    heartbeat: (details) => {
      beats.push(details as GpuProgress);
      p.onBeat?.(details as GpuProgress);
    },
    cancellationSignal: abort.signal,
  };
  const train = createTrain({
    hub: p.hub ?? stand.hub,
    trainer: p.trainer,
    workDir: join(stand.root, `worker-${folders}`),
    activity: () => activity,
    log: p.log ?? (() => undefined),
  });
  return { beats, cancel: (reason) => abort.abort(new Error(reason)), result: train(request) };
}

/** Files of a branch, parsed. */
export async function readJson(stand: Stand, request: TrainRequest, path: string): Promise<unknown> {
  const repo: RepoRef = { type: 'model', repo: request.context.repos.checkpoints };
  const bytes = await stand.hub.read(repo, request.branch, path);
  return bytes === null ? null : JSON.parse(bytes.toString('utf8'));
}
