import { defineQuery, defineSignal, defineUpdate } from '@temporalio/workflow';
import type { GpuReport, GpuWork } from '../../domain/run/gpu-report.ts';
import type { RunStatus, StudyStatus } from '../../domain/run/run-result.ts';

/** A person's decision about a candidate; `by` and `reason` go into the record. */
export interface DecisionMessage {
  by: string;
  reason: string;
}

export const statusQuery = defineQuery<RunStatus>('status');
export const studyQuery = defineQuery<StudyStatus>('status');

/** Of `reevaluate` and `rollback`: the model and the current work, in words. */
export const releaseStatusQuery = defineQuery<{ model: string; now: string; gpu?: GpuWork | null }>('status');

/** As a Signal for clients that know no Update, such as tctl. */
export const approveSignal = defineSignal<[DecisionMessage]>('approve');
export const rejectSignal = defineSignal<[DecisionMessage]>('reject');
/** As an Update whose validator answers at once when there is nothing to decide. */
export const approveUpdate = defineUpdate<string, [DecisionMessage]>('approve');
export const rejectUpdate = defineUpdate<string, [DecisionMessage]>('reject');

/** From a GPU worker to its run: where the work is; thinned out by `isReportDue`. */
export const progressSignal = defineSignal<[GpuReport]>('progress');

/** Checkpoint, then wait for `resume`. */
export const pauseSignal = defineSignal('pause');
export const resumeSignal = defineSignal('resume');

/** From a study to its run: whether all of its work has stopped for a pause. */
export const studyPausedSignal = defineSignal<[boolean]>('studyPaused');

/** From the fleet of GPU sources to whom it may spend no more on: why, in words. */
export const budgetSpentSignal = defineSignal<[string]>('budgetSpent');
