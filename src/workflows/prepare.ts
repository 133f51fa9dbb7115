import { proxyActivities, setCurrentDetails, workflowInfo } from '@temporalio/workflow';
import { parseRunConfig } from '../domain/config/run-config.ts';
import type { Analysis } from '../domain/dataset/analysis-result.ts';
import type { PreparedDataset } from '../domain/dataset/prepared-dataset.ts';
import type { RepoId } from '../domain/refs.ts';
import type { PictureActivities, PipelineActivities } from '../domain/run/activities.ts';
import type { RunContext } from '../domain/run/context.ts';
import { LONG, preparationOptions, SHORT, shardOptions } from './support/activity-options.ts';
import { invalidInput } from './support/failures.ts';
import { gpuActivities } from './support/gpu-activities.ts';
import { GpuWatch } from './support/gpu-watch.ts';
import { reportUnknownSignals } from './support/unknown-signals.ts';

const quick = proxyActivities<PipelineActivities>(SHORT);
const slow = proxyActivities<PipelineActivities>(LONG);

/** Name of the change that fanned the preparation out; runs from before it go on with one activity. */
export const PREPARE_BY_SHARDS = 'prepare-by-shards';

/** Shards, or pieces of captions, that are on offer at once: more than any fleet has workers, few enough for a small history. */
const SHARDS_ON_OFFER = 64;

/** What a preparation on its own returns. */
export interface PreparationResult {
  dataset: PreparedDataset;
  analysis: Analysis;
}

/** Prepares and analyzes a dataset and trains nothing: what `plein-air prepare` starts. */
export async function prepare(input: unknown = {}): Promise<PreparationResult> {
  const parsed = parseRunConfig(input);
  if (!parsed.ok) throw invalidInput('prepare', parsed.problems);
  reportUnknownSignals([]);
  const { workflowId, runId } = workflowInfo();
  const { operations: _, ...context } = await quick.openRun({ config: parsed.value, workflowId, runId });
  const say = (words: string) => setCurrentDetails(`**${context.run}**: ${words}`);
  const gpu = new GpuWatch(parsed.value.budget.gpuHours, ({ worker, stage, step, steps }) =>
    say(worker === null ? `${stage} that captions pictures` : `${stage}: ${step} of ${steps} on ${worker}`),
  );
  const dataset = await prepareDataset(context, { say, gpu });
  const analysis = await slow.analyze({ context, dataset });
  setCurrentDetails(`**${context.run}**: ${analysis.verdict}`);
  return { dataset, analysis };
}

/** The preparation as its workflows run it: labels, then every shard wherever a worker is free, then one dataset. */
export async function prepareDataset(
  context: RunContext,
  { say = () => undefined, gpu }: { say?: (words: string) => void; gpu?: GpuWatch | null } = {},
): Promise<PreparedDataset> {
  const { planPreparation, assembleDataset } = proxyActivities<PipelineActivities>(
    preparationOptions(context.config),
  );
  const plan = await planPreparation({ context });
  if (plan.done !== null) return plan.done;
  const { work, shards } = plan;
  // The largest first, so that no worker is left alone with one at the end.
  const waiting = [...shards].sort((a, b) => b.pictures - a.pictures || a.shard - b.shard);
  await offered(waiting, async ({ shard, pictures }, done) => {
    const summary = `shard ${shard}: ${pictures} pictures`;
    const options = { ...shardOptions(context.config), summary };
    await proxyActivities<PictureActivities>(options).prepareShard({ context, work, shard });
    say(`${done()} of ${shards.length} shards prepared`);
  });
  if (context.captioner !== undefined) {
    gpu?.queued('captionPictures', '');
    await captionDataset(context, work, say);
  }
  return assembleDataset({ context, work });
}

/** Has the pictures that stay described wherever a GPU worker is free. */
async function captionDataset(
  context: RunContext,
  work: RepoId,
  say: (words: string) => void,
): Promise<void> {
  const { planCaptions } = proxyActivities<PipelineActivities>(preparationOptions(context.config));
  const { pieces } = await planCaptions({ context, work });
  const gpu = gpuActivities(context.config);
  await offered(pieces, async ({ piece }, done) => {
    await gpu.captionPictures({ context, work, piece });
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
  const lane = async (): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) await work(next, done);
  };
  await Promise.all(Array.from({ length: Math.min(SHARDS_ON_OFFER, items.length) }, lane));
}
