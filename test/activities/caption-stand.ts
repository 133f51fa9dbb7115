import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { Worker, type WorkflowBundleWithSourceMap } from '@temporalio/worker';
import { execa } from 'execa';
import { createAnalyze } from '../../src/activities/analyze/analyze.ts';
import { createCaptionPictures } from '../../src/activities/prepare/captions/caption.ts';
import { createPlanCaptions } from '../../src/activities/prepare/captions/plan.ts';
import { createPlanPreparation } from '../../src/activities/prepare/plan.ts';
import { createAssembleDataset } from '../../src/activities/prepare/publish.ts';
import { createPrepareShard } from '../../src/activities/prepare/shard.ts';
import { createOpenRun } from '../../src/activities/run/open-run.ts';
import { pythonPath, readEnvironment } from '../../src/config/env.ts';
import { PROJECT } from '../../src/config/paths.ts';
import { parseRunConfig } from '../../src/domain/config/run-config.ts';
import { RepoId, type RepoRef } from '../../src/domain/refs.ts';
import type { RunContext } from '../../src/domain/run/context.ts';
import { connectHub } from '../../src/hub/client.ts';
import type { Hub } from '../../src/hub/hub.ts';
import { createTrainer } from '../../src/trainer/process.ts';
import type { Trainer } from '../../src/trainer/trainer.ts';
import { activityErrors } from '../../src/workers/activity-errors.ts';
import { current } from '../../src/workers/current-activity.ts';
import type { PreparationResult } from '../../src/workflows/prepare.ts';
import { startHubInTest, TOKEN } from '../local-hub/hub-in-test.ts';
import { devServer } from '../temporal/dev-server.ts';
import { wikiArtParquet } from '../wikiart/parquet-in-test.ts';
import { bundle } from '../workflow/environment.ts';
import { soundRows } from './source-in-test.ts';

/** Pictures of the source, a third of them of another style. */
const ROWS = 36;
/** Pictures that one caption activity has. */
export const PIECE = 8;

const WRITE = `
import sys
from pathlib import Path
import small_captioners, small_flux
root = Path(sys.argv[1])
small_captioners.blip(root / "seeing", words=small_captioners.WORDS[:-2])
small_captioners.blip(root / "of-style", words=["painting", "canvas", "brushstrokes", "impressionist", "monet", "oil"])
small_flux.build(root / "base")
`;

/** A preparation whose captions are yet to be made; `assemble` makes the dataset of them. */
export interface LaidOut {
  context: RunContext;
  work: RepoRef;
  workDir: string;
  assemble(): Promise<unknown>;
}

/** A local Hub with a source, a base and captioning models, a real Temporal and workers with the real activities. */
export interface CaptionStand {
  hub: Hub;
  trainer: Trainer;
  /** Workers in a folder of their own run a whole preparation; `watched` is what their GPU worker calls. */
  prepare(run: string, input: object, watched?: Trainer): Promise<PreparationResult>;
  /** Goes as far as the captions with no Temporal about it, in folder `workDir`. */
  layOut(run: string, input: object): Promise<LaidOut>;
  close(): Promise<void>;
}

const modelRepo = (name: string): RepoRef => ({ type: 'model', repo: RepoId.parse(`plein-air/${name}`) });

/** Starts all of it. */
export async function openCaptionStand(): Promise<CaptionStand> {
  const folder = await mkdtemp(join(tmpdir(), 'plein-air-captions-'));
  const [server, environment, workflowBundle] = await Promise.all([startHubInTest(), devServer(), bundle()]);
  const hub = connectHub({ endpoint: server.url, accessToken: TOKEN });
  const python = pythonPath(readEnvironment());
  await execa(python, ['-c', WRITE, folder], {
    env: { PYTHONPATH: join(PROJECT, 'gpu-worker', 'tests'), OMP_NUM_THREADS: '1', HF_HUB_OFFLINE: '1' },
  });
  for (const name of ['seeing', 'of-style', 'base']) await upload(hub, modelRepo(name), join(folder, name));
  await seedOthers(hub);
  const trainer = createTrainer({
    ...{ python, packageFolder: join(PROJECT, 'gpu-worker', 'src'), log: () => undefined, killGraceMs: 500 },
  });
  return {
    hub,
    trainer,
    prepare: (run, input, watched = trainer) =>
      prepareWith(
        { environment, workflowBundle, hub, trainer: watched, workDir: join(folder, run) },
        run,
        input,
      ),
    layOut: (run, input) => layOut(hub, join(folder, run), { run, ...input }),
    close: async () => {
      await trainer.close();
      await environment.teardown();
      await server.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function layOut(hub: Hub, workDir: string, input: object): Promise<LaidOut> {
  const parsed = parseRunConfig({ base: { repo: 'plein-air/base' }, ...input });
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.problems));
  const deps = { hub, workDir, heartbeat: () => undefined };
  const context = await createOpenRun({ hub })({ config: parsed.value, workflowId: 'wf', runId: 'id' });
  const plan = await createPlanPreparation(deps)({ context });
  if (plan.done !== null) throw new Error('expected a preparation that is yet to be done');
  const { work, shards } = plan;
  for (const { shard } of shards) await createPrepareShard(deps)({ context, work, shard });
  await createPlanCaptions({ ...deps, picturesAPiece: PIECE })({ context, work });
  const assemble = () => createAssembleDataset(deps)({ context, work });
  return { context, workDir, work: { type: 'dataset', repo: work }, assemble };
}

/** The source, and models that cannot be used. */
async function seedOthers(hub: Hub): Promise<void> {
  const rows = await soundRows(ROWS);
  const put = async (repo: RepoRef, files: Record<string, Buffer | string>) => {
    await hub.ensureRepo(repo);
    const listed = Object.entries(files).map(([path, content]) => ({ path, content }));
    await hub.commit({ repo, message: 'Seed', files: listed });
  };
  await put(
    { type: 'dataset', repo: RepoId.parse('plein-air/small-wikiart') },
    {
      'data/train-00000-of-00002.parquet': wikiArtParquet(rows.slice(0, ROWS / 2), { groupRows: 6 }),
      'data/train-00001-of-00002.parquet': wikiArtParquet(rows.slice(ROWS / 2), { groupRows: 6 }),
    },
  );
  await put(modelRepo('pickled'), { 'pytorch_model.bin': 'x', 'config.json': '{"model_type":"blip"}' });
  await put(modelRepo('clip'), { 'model.safetensors': 'x', 'config.json': '{"model_type":"clip"}' });
}

async function upload(hub: Hub, repo: RepoRef, folder: string): Promise<void> {
  const found = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = found
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .map((file) => ({ path: file.slice(folder.length + 1), content: { file } }));
  const card = { path: 'README.md', content: '---\nlicense: apache-2.0\n---\n# A small model\n' };
  await hub.ensureRepo(repo);
  await hub.commit({ repo, message: 'Upload', files: [...files, card] });
}

async function prepareWith(
  p: {
    environment: TestWorkflowEnvironment;
    workflowBundle: WorkflowBundleWithSourceMap;
    hub: Hub;
    trainer: Trainer;
    workDir: string;
  },
  run: string,
  input: object,
): Promise<PreparationResult> {
  const { environment, workflowBundle, hub, trainer, workDir } = p;
  const deps = { hub, workDir, heartbeat: current.heartbeat, signal: current.signal };
  const connection = environment.nativeConnection;
  const interceptors = { activity: [() => ({ inbound: activityErrors })] };
  const pipeline = await Worker.create({
    ...{ connection, interceptors, taskQueue: 'pipeline', workflowBundle },
    activities: {
      openRun: createOpenRun({ hub }),
      planPreparation: createPlanPreparation(deps),
      planCaptions: createPlanCaptions({ ...deps, picturesAPiece: PIECE }),
      assembleDataset: createAssembleDataset(deps),
      analyze: createAnalyze({ hub, heartbeat: current.heartbeat }),
    },
  });
  const oneAtATime = (taskQueue: string, activities: object): Promise<Worker> =>
    Worker.create({
      ...{ connection, interceptors, taskQueue, activities },
      maxConcurrentActivityTaskExecutions: 1,
    });
  const pictures = await oneAtATime('pictures', { prepareShard: createPrepareShard(deps) });
  const gpuDeps = { ...deps, trainer, workDir: join(workDir, 'gpu') };
  const gpu = await oneAtATime('gpu', { captionPictures: createCaptionPictures(gpuDeps) });
  return pipeline.runUntil(
    pictures.runUntil(
      gpu.runUntil(
        environment.client.workflow.execute('prepare', {
          ...{ taskQueue: 'pipeline', workflowId: run },
          args: [{ run, base: { repo: 'plein-air/base' }, ...input }],
        }),
      ),
    ),
  );
}
