import { proxyActivities, setCurrentDetails, workflowInfo } from '@temporalio/workflow';
import { parseRunConfig } from '../domain/config/run-config.ts';
import type { Analysis } from '../domain/dataset/analysis-result.ts';
import type { PreparedDataset } from '../domain/dataset/prepared-dataset.ts';
import type { RepoId } from '../domain/refs.ts';
import type { PictureActivities, PipelineActivities } from '../domain/run/activities.ts';
import type { RunContext } from '../domain/run/context.ts';
import { preparationOptions, shardOptions } from './support/activity-options.ts';
import { accepted, endingAsAsked } from './support/ending.ts';
import { gpuActivities } from './support/gpu-activities.ts';
import { GpuWatch } from './support/gpu-watch.ts';
import { Pause } from './support/pause.ts';
import { pipelineActivities } from './support/pipeline-activities.ts';
import { reportUnknownSignals } from './support/unknown-signals.ts';

/** Shards, or pieces of captions, that are on offer at once: more than any fleet has workers, few enough for a small history. */
const SHARDS_ON_OFFER = 64;

/** What a preparation on its own returns. */
export interface PreparationResult {
  dataset: PreparedDataset;
  analysis: Analysis;
}

/** What a preparation works with besides its run. */
export interface PreparationOptions {
  /** Told how far it is. */
  say?: (words: string) => void;
  gpu?: GpuWatch | null;
  pause: Pause;
}

/** Prepares and analyzes a dataset and trains nothing: what `plein-air prepare` starts. */
export async function prepare(input: unknown = {}): Promise<PreparationResult> {
  const config = accepted('prepare', parseRunConfig(input));
  const pause = new Pause();
  pause.listen();
  reportUnknownSignals(['pause', 'resume']);
  return endingAsAsked(async () => {
    const { workflowId, runId } = workflowInfo();
    const { openRun, analyze } = pipelineActivities(config);
    const { operations: _, ...context } = await openRun({ config, workflowId, runId });
    const say = (words: string) => setCurrentDetails(`**${context.run}**: ${words}`);
    const gpu = new GpuWatch(config.budget.gpuHours, ({ worker, stage, step, steps }) =>
      say(worker === null ? `${stage} that captions pictures` : `${stage}: ${step} of ${steps} on ${worker}`),
    );
    gpu.listen();
    const dataset = await prepareDataset(context, { say, gpu, pause });
    const analysis = await pause.step(() => analyze({ context, dataset }));
    setCurrentDetails(`**${context.run}**: ${analysis.verdict}`);
    return { dataset, analysis };
  });
}

/** The preparation as its workflows run it: labels, then every shard wherever a worker is free, then one dataset. */
export async function prepareDataset(
  context: RunContext,
  { say = () => undefined, gpu, pause }: PreparationOptions,
): Promise<PreparedDataset> {
  const { planPreparation, assembleDataset } = proxyActivities<PipelineActivities>(
    preparationOptions(context.config),
  );
  const plan = await pause.step(() => planPreparation({ context }));
  if (plan.done !== null) return plan.done;
  const { work, shards } = plan;
  // The largest first, so that no worker is left alone with one at the end.
  const waiting = [...shards].sort((a, b) => b.pictures - a.pictures || a.shard - b.shard);
  await offered(waiting, async ({ shard, pictures }, done) => {
    const summary = `shard ${shard}: ${pictures} pictures`;
    const options = { ...shardOptions(context.config), summary };
    const { prepareShard } = proxyActivities<PictureActivities>(options);
    await pause.step(() => prepareShard({ context, work, shard }));
    say(`${done()} of ${shards.length} shards prepared`);
  });
  if (context.captioner !== undefined) {
    gpu?.queued('captionPictures', '');
    await captionDataset(context, work, { say, pause });
  }
  return pause.step(() => assembleDataset({ context, work }));
}

/** Has the images that stay described wherever a GPU worker is free. */
async function captionDataset(
  context: RunContext,
  work: RepoId,
  { say = () => undefined, pause }: PreparationOptions,
): Promise<void> {
  const { planCaptions } = proxyActivities<PipelineActivities>(preparationOptions(context.config));
  const { pieces } = await pause.step(() => planCaptions({ context, work }));
  const gpu = gpuActivities(context.config);
  await offered(pieces, async ({ piece }, done) => {
    await pause.interruptible(() => gpu.captionPictures({ context, work, piece }));
    say(`${done()} of ${pieces.length} pieces captioned`);
  });
}

/** Works through items, as many at once as are on offer; `done` counts one more as finished. */
async function offered<T>(
  items: readonly T[],
  work: (item: T, done: () => number) => Promise<void>,
): Promise<void> {
  const waiting = [...items];
  let finished = 0;
  const done = (): number => {
    finished += 1;
    return finished;
  };
  const worker = async (): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) await work(next, done);
  };
  await Promise.all(Array.from({ length: Math.min(SHARDS_ON_OFFER, items.length) }, worker));
}
