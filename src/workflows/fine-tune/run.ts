import { workflowInfo } from '@temporalio/workflow';
import type { RunConfig } from '../../domain/config/run-config.ts';
import type { GpuActivities } from '../../domain/run/activities.ts';
import type { RunContext } from '../../domain/run/context.ts';
import type { Phase } from '../../domain/run/phases.ts';
import type { RunSummary } from '../../domain/run/summary.ts';
import { gpuActivities } from '../support/gpu-activities.ts';
import { pipelineActivities } from '../support/pipeline-activities.ts';
import { Reports } from './reports.ts';
import type { RunState } from './run-state.ts';

/** What every phase of one run works with. */
export interface Run {
  context: RunContext;
  config: RunConfig;
  state: RunState;
  reports: Reports;
  gpu: GpuActivities;
  pipeline: ReturnType<typeof pipelineActivities>;
}

/** Names and pins everything that the run refers to. */
export async function openRun(config: RunConfig, state: RunState): Promise<Run> {
  const { workflowId, runId } = workflowInfo();
  const opened = await pipelineActivities(config).openRun({ config, workflowId, runId });
  // What surrounds the run is no part of what the run is: none of it goes into records and releases.
  const { operations, ...context } = opened;
  state.open(context.run, operations);
  return {
    context,
    config: context.config,
    state,
    reports: new Reports({ context, phases: state.status.phases }),
    gpu: gpuActivities(context.config, { moved: (gpuClass) => state.gpu.moved(gpuClass) }),
    pipeline: pipelineActivities(context.config),
  };
}

/** What a phase does, what of it goes into the report, and how it is told in one line. */
export interface PhaseWork<T> {
  work: () => Promise<T>;
  record: (made: T) => Partial<RunSummary>;
  tell: (made: T) => { result: string; cached?: boolean };
}

/** Runs a phase: marks it, records what it made and brings the report up to date. */
export async function phase<T>(run: Run, name: Phase, { work, record, tell }: PhaseWork<T>): Promise<T> {
  await run.state.pause.untilResumed();
  run.state.mark(name, 'running');
  const made = await work();
  run.reports.record(record(made));
  const { result, cached } = tell(made);
  run.state.mark(name, cached === true ? 'cached' : 'done', result);
  // Right after the deployment the report is written with everything in it.
  if (name !== 'deploy') run.reports.update();
  return made;
}

/** GPU work of a run that a pause interrupts: it checkpoints, and is asked for again after the resume. */
export function onGpu<T>(
  { state }: Run,
  { activity, branch = '' }: { activity: string; branch?: string },
  work: () => Promise<T>,
  isComplete?: (result: T) => boolean,
): Promise<T> {
  return state.pause.interruptible(() => {
    state.gpu.queued(activity, branch);
    return work();
  }, isComplete);
}
