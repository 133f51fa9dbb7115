import {
  ApplicationFailure,
  continueAsNew,
  patched,
  proxyActivities,
  setHandler,
  workflowInfo,
} from '@temporalio/workflow';
import { parseRunConfig } from '../../domain/config/run-config.ts';
import type { CommitRef } from '../../domain/refs.ts';
import type { PipelineActivities } from '../../domain/run/activities.ts';
import type { RunContext } from '../../domain/run/context.ts';
import type { StudyRecord, StudyState } from '../../domain/tuning/study.ts';
import type { StudyResult } from '../../domain/tuning/study-result.ts';
import { PREPARE_BY_SHARDS, prepareDataset } from '../prepare.ts';
import { LONG, SHORT } from '../support/activity-options.ts';
import { invalidInput } from '../support/failures.ts';
import { gpuActivities } from '../support/gpu-activities.ts';
import { GpuWatch } from '../support/gpu-watch.ts';
import { studyQuery } from '../support/messages.ts';
import { Hold } from '../support/pause.ts';
import { reportUnknownSignals } from '../support/unknown-signals.ts';
import { StudyRun } from './study-run.ts';

/** What `fineTune` hands to its study instead of having it open and prepare again. */
export interface PreparedStudy {
  context: RunContext;
  dataset: CommitRef;
}

const quick = proxyActivities<PipelineActivities>(SHORT);
const slow = proxyActivities<PipelineActivities>(LONG);

/**
 * Searches hyperparameters: asks for the next move, trains a stretch, and again; then trains the best with new seeds and
 * chooses. `prepared` is set when a run starts it as its child, `carried` when a long study continues as new.
 */
export async function tune(
  input: unknown = {},
  prepared?: PreparedStudy,
  carried?: StudyState,
): Promise<StudyResult> {
  const parsed = parseRunConfig(input);
  if (!parsed.ok) throw invalidInput('tune', parsed.problems);
  // Histories from before rungs, parallel trials and finalists: the same asks and trainings, one after another.
  const modern = patched('tune-rungs');
  const study = new StudyRun(parsed.value);
  // A run's own study reports to the run.
  const watch = prepared === undefined ? new GpuWatch(parsed.value.budget.gpuHours) : null;
  const hold = new Hold();
  setHandler(studyQuery, () => ({ ...study.status(), paused: hold.paused, gpu: watch?.work ?? null }));
  reportUnknownSignals(['pause', 'resume']);

  const { context, dataset } = prepared ?? (await open(parsed.value));
  // A trial that fits nowhere that is there now is infeasible; one that a larger machine can hold goes there.
  const gpu = gpuActivities(context.config, { moved: (gpuClass) => watch?.moved(gpuClass), waits: false });
  study.begin({
    context,
    dataset,
    gpu,
    suggest: quick.suggest,
    hold,
    onStretch: (lane) => watch?.queued('train', lane),
    modern,
    state:
      carried ?? (modern ? await quick.openStudy({ context }) : { earlier: [], enqueue: [], parallel: 1 }),
  });
  if ((await study.search()) === 'too-long') {
    // The next workflow run begins without having heard of a pause.
    if (hold.paused) await hold.untilResumed();
    return continueAsNew<typeof tune>(context.config, { context, dataset }, study.state);
  }
  if (modern) await study.confirm();
  const chosen = study.choose();
  if (chosen === null)
    throw ApplicationFailure.create({
      type: 'BadData',
      nonRetryable: true,
      message: `expected at least one of ${study.state.trials.length} trials to finish, got none: every one diverged or ran out of memory; narrow tuning.space`,
    });
  if (!modern) return study.result(chosen, null);
  const record: StudyRecord = await slow.recordStudy({ context, study: study.state, chosen: chosen.number });
  return study.result(chosen, record);
}

async function open(config: RunContext['config']): Promise<PreparedStudy> {
  const { workflowId, runId } = workflowInfo();
  const { operations: _, ...context } = await quick.openRun({ config, workflowId, runId });
  const prepared = patched(PREPARE_BY_SHARDS)
    ? await prepareDataset(context)
    : await slow.prepare({ context });
  return { context, dataset: prepared.dataset };
}
