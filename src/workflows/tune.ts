import { ApplicationFailure, patched, proxyActivities, setHandler, workflowInfo } from '@temporalio/workflow';
import type { GpuActivities, PipelineActivities, RunContext, Training } from '../domain/activities.ts';
import type { CommitRef } from '../domain/refs.ts';
import { parseRunConfig } from '../domain/run-config.ts';
import type { StudyResult, StudyStatus } from '../domain/run-result.ts';
import { chooseTrial, nextStudyStep, settleTrial } from '../domain/tuning.ts';
import { gpuOptions, LONG, SHORT } from './activity-options.ts';
import { describeFailure, invalidInput } from './failures.ts';
import { GpuWatch } from './gpu-watch.ts';
import { studyQuery } from './messages.ts';
import { PREPARE_BY_SHARDS, prepareDataset } from './prepare.ts';

/** What `fineTune` hands to its study instead of having it open and prepare again. */
export interface PreparedStudy {
  context: RunContext;
  dataset: CommitRef;
}

const quick = proxyActivities<PipelineActivities>(SHORT);
const slow = proxyActivities<PipelineActivities>(LONG);

/** Failures that make a trial infeasible: they teach the sampler and do not end the study. */
const INFEASIBLE = new Set(['Diverged', 'OutOfMemory']);

/** Searches hyperparameters by held-out loss; `prepared` is set when a run starts it as its child. */
export async function tune(input: unknown = {}, prepared?: PreparedStudy): Promise<StudyResult> {
  const parsed = parseRunConfig(input);
  if (!parsed.ok) throw invalidInput('tune', parsed.problems);
  const { tuning } = parsed.value;
  // A run's own study reports to the run.
  const watch = prepared === undefined ? new GpuWatch(parsed.value.budget.gpuHours) : null;
  const study: StudyStatus = { strategy: tuning.strategy, trials: [], chosen: null };
  setHandler(studyQuery, () => ({ ...study, gpu: watch?.work ?? null }));

  const { context, dataset } = prepared ?? (await open(parsed.value));
  const gpu = proxyActivities<GpuActivities>(gpuOptions(context.config));
  const gpuSeconds: number[] = [];
  const budgetSeconds = context.config.budget.gpuHours * 3600;
  while (nextStudyStep({ tuning, trials: study.trials, gpuSeconds, budgetSeconds }).next === 'ask') {
    const next = await quick.suggest({ context, trials: study.trials });
    study.trials.push({ ...next, state: 'running', value: null });
    watch?.queued('train', `trial-${next.number}`);
    const outcome = await attempt(() =>
      gpu.train({
        context,
        dataset,
        lane: `trial-${next.number}`,
        parameters: next.parameters,
        stopAtStep: tuning.steps,
        acceptDifferences: parsed.value.checkpoints.acceptDifferences,
      }),
    );
    gpuSeconds.push(outcome.gpuSeconds);
    study.trials[study.trials.length - 1] = settleTrial(next, outcome);
  }
  const chosen = chooseTrial(study.trials);
  if (chosen === null)
    throw ApplicationFailure.create({
      type: 'BadData',
      nonRetryable: true,
      message: `expected at least one of ${study.trials.length} trials to finish, got none: every one diverged or ran out of memory; narrow tuning.space`,
    });
  study.chosen = chosen.number;
  return {
    strategy: study.strategy,
    trials: study.trials,
    chosen: chosen.number,
    parameters: chosen.parameters,
  };
}

async function open(config: RunContext['config']): Promise<PreparedStudy> {
  const { workflowId, runId } = workflowInfo();
  const context = await quick.openRun({ config, workflowId, runId });
  const prepared = patched(PREPARE_BY_SHARDS)
    ? await prepareDataset(context)
    : await slow.prepare({ context });
  return { context, dataset: prepared.dataset };
}

/** A trial's training; one that diverged or ran out of memory is an outcome, not the end of the study. */
async function attempt(
  train: () => Promise<Training>,
): Promise<Pick<Training, 'heldOutLoss' | 'gpuSeconds'>> {
  try {
    return await train();
  } catch (error) {
    if (!INFEASIBLE.has(describeFailure(error).kind)) throw error;
    return { heldOutLoss: null, gpuSeconds: 0 };
  }
}
