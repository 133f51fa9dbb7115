import { AsyncLocalStorage } from 'node:async_hooks';
import { activityInfo, Context, getClient } from '@temporalio/activity';
import type { ActivityInboundCallsInterceptor } from '@temporalio/worker';
import type { GpuProgress } from '../domain/run/activities.ts';
import type { RunContext } from '../domain/run/context.ts';
import { type GpuReport, isReportDue } from '../domain/run/gpu-report.ts';

/** Sees every progress of the GPU activity that runs now. */
export type ProgressObserver = (report: GpuReport, run: string) => void;

/** One attempt's reports: to the observers always, to the run as a signal when one is due. */
class Reporter {
  private readonly about: Omit<GpuReport, 'at' | 'progress'>;
  private readonly run: string;
  private readonly workflowId: string;
  /** Both on the clock that nobody sets. */
  private readonly scheduledAt: number;
  private readonly observers: ProgressObserver[];
  private sent = 0;
  private sentAt = Number.NEGATIVE_INFINITY;

  constructor(
    request: { context: RunContext; branch?: string },
    worker: string,
    observers: ProgressObserver[],
  ) {
    const { activityType, attempt, scheduledTimestampMs } = activityInfo();
    const { workflowId, runId } = request.context;
    this.run = request.context.run;
    this.workflowId = workflowId;
    this.scheduledAt = performance.now() - Math.max(0, Date.now() - scheduledTimestampMs);
    this.observers = observers;
    this.about = { runId, activity: activityType, branch: request.branch ?? '', attempt, worker };
  }

  hear(progress: GpuProgress): void {
    const now = performance.now();
    const report = { ...this.about, at: Date.now(), progress };
    for (const observe of this.observers) observe(report, this.run);
    const { attempt } = this.about;
    const secondsSinceReport = (now - this.sentAt) / 1000;
    const secondsSinceScheduled = (now - this.scheduledAt) / 1000;
    if (!isReportDue({ attempt, sent: this.sent, secondsSinceReport, secondsSinceScheduled })) return;
    this.sent += 1;
    this.sentAt = now;
    // A run that cannot be told goes on all the same: the figures are in the heartbeat as well.
    getClient()
      .workflow.getHandle(this.workflowId)
      .signal('progress', report)
      .catch((error: unknown) => Context.current().log.debug('progress was not told', { error }));
  }
}

const reporters = new AsyncLocalStorage<Reporter>();

/** Lets an activity's heartbeats reach its run and the observers. */
export function runReports(worker: string, observers: ProgressObserver[]): ActivityInboundCallsInterceptor {
  return {
    execute(input, next) {
      const request = input.args[0] as { context: RunContext; branch?: string };
      const reporter = new Reporter(request, worker, observers);
      reporter.hear({
        stage: 'starting',
        done: 0,
        total: 0,
        etaSeconds: null,
        metrics: {},
        lastCheckpoint: null,
      });
      return reporters.run(reporter, () => next(input));
    },
  };
}

/** Passes a heartbeat's details on to the reporter of the activity that runs now, where it has one. */
export function reportProgress(details: unknown): void {
  if (typeof details === 'object' && details !== null && 'stage' in details && 'metrics' in details)
    reporters.getStore()?.hear(details as GpuProgress);
}
