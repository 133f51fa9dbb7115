import {
  ApplicationFailure,
  continueAsNew,
  getExternalWorkflowHandle,
  log,
  setHandler,
  workflowInfo,
} from '@temporalio/workflow';
import { z } from 'zod';
import { parseFields, parseRunConfig, type RunConfig } from '../../domain/config/run-config.ts';
import { CommitRef } from '../../domain/refs.ts';
import { RunContext } from '../../domain/run/context.ts';
import type { GpuClass } from '../../domain/run/gpu-class.ts';
import { StudyState } from '../../domain/tuning/study.ts';
import type { StudyResult } from '../../domain/tuning/study-result.ts';
import { prepareDataset } from '../prepare.ts';
import { accepted, endingAsAsked } from '../support/ending.ts';
import { gpuActivities } from '../support/gpu-activities.ts';
import { GpuWatch } from '../support/gpu-watch.ts';
import { studyPausedSignal, studyQuery } from '../support/messages.ts';
import { Pause, type PauseState } from '../support/pause.ts';
import { pipelineActivities } from '../support/pipeline-activities.ts';
import { reportUnknownSignals } from '../support/unknown-signals.ts';
import { StudyRun } from './study-run.ts';

/** What `fineTune` hands to its study instead of having it open and prepare again. */
export const PreparedStudy = z.strictObject({ context: RunContext, dataset: CommitRef });
export type PreparedStudy = z.infer<typeof PreparedStudy>;

/**
 * Searches hyperparameters: asks for the next move, trains a segment, and again; then trains the best with new seeds and
 * chooses. `prepared` is set when a run starts it as its child, `carried` when a long study continues as new.
 */
export async function tune(
  input: unknown = {},
  prepared?: PreparedStudy,
  carried?: StudyState,
): Promise<StudyResult> {
  const config = accepted('tune', parseRunConfig(input));
  const given =
    prepared == null ? null : accepted('tune (second argument)', parseFields(PreparedStudy, prepared));
  const before = carried == null ? null : accepted('tune (third argument)', parseFields(StudyState, carried));
  const study = new StudyRun(config);
  // A run's own study reports to the run.
  const watch = given === null ? new GpuWatch(config.budget.gpuHours) : null;
  const pause = new Pause(given === null ? {} : { onState: tellRun });
  setHandler(studyQuery, () => ({ ...study.status(), paused: pause.asked, gpu: watch?.work ?? null }));
  watch?.listen();
  pause.listen();
  reportUnknownSignals(['pause', 'resume']);
  return endingAsAsked(async () => {
    const { context, dataset } = given ?? (await open(config, pause, watch));
    const { openStudy, suggest, recordStudy } = pipelineActivities(context.config);
    // A trial that fits nowhere that is there now is infeasible; one that a larger machine can hold goes there.
    const moved = (gpuClass: GpuClass) => watch?.moved(gpuClass);
    const gpu = gpuActivities(context.config, { moved, waits: false });
    const onSegment = (branch: string) => watch?.queued('train', branch);
    const state = before ?? (await openStudy({ context }));
    study.begin({ context, dataset, gpu, suggest, pause, onSegment, state });
    if ((await study.search()) === 'too-long') {
      // The next workflow run has not received a pause that this one received.
      await pause.untilResumed();
      return continueAsNew<typeof tune>(context.config, { context, dataset }, study.state);
    }
    await study.confirm();
    const chosen = study.choose();
    if (chosen === null)
      throw ApplicationFailure.create({
        type: 'BadData',
        nonRetryable: true,
        message: `expected at least one of ${study.state.trials.length} trials to finish, got none: every one diverged or ran out of memory; narrow tuning.space`,
      });
    const record = await pause.step(() =>
      recordStudy({ context, study: study.state, chosen: chosen.number }),
    );
    return study.result(chosen, record);
  });
}

/** A study on its own opens and prepares as a run does. */
async function open(config: RunConfig, pause: Pause, gpu: GpuWatch | null): Promise<PreparedStudy> {
  const { workflowId, runId } = workflowInfo();
  const { operations: _, ...context } = await pipelineActivities(config).openRun({
    config,
    workflowId,
    runId,
  });
  const { dataset } = await prepareDataset(context, { gpu, pause });
  return { context, dataset };
}

/** Tells the run that the study's work has stopped for a pause, or no longer. */
function tellRun(state: PauseState): void {
  const { parent } = workflowInfo();
  if (parent === undefined || state === 'pausing') return;
  getExternalWorkflowHandle(parent.workflowId)
    .signal(studyPausedSignal, state === 'paused')
    .catch((error: unknown) => log.warn(`the run was not told of the study's pause: ${error}`));
}
