import { log, setHandler, workflowInfo } from '@temporalio/workflow';
import { describeClass, type GpuClass } from '../../domain/run/gpu-class.ts';
import { GpuReport, type GpuWork, hearReport, queuedWork } from '../../domain/run/gpu-report.ts';
import { progressSignal } from './messages.ts';

/** Keeps what the run's GPU work has last told; a report that cannot be used changes nothing. */
export class GpuWatch {
  work: GpuWork | null = null;
  private readonly gpuHours: number;
  private readonly changed: (work: GpuWork) => void;

  constructor(gpuHours: number, changed: (work: GpuWork) => void = () => undefined) {
    this.gpuHours = gpuHours;
    this.changed = changed;
  }

  /** Hears reports from now on; those that came before are heard at once, so what they lead to must be there. */
  listen(): void {
    setHandler(progressSignal, (message) => {
      const report = GpuReport.safeParse(message);
      if (report.success) this.hear(report.data);
      else log.warn('a progress report was not understood; nothing was changed');
    });
  }

  /** Says that work waits on the queue from now on. */
  queued(activity: string, branch: string): void {
    const { gpuHours, work } = this;
    this.work = queuedWork({ activity, branch, now: Date.now(), gpuHours, before: work });
    this.changed(this.work);
  }

  /** Says that the work waits again, for a larger accelerator. */
  moved(gpuClass: GpuClass): void {
    if (this.work === null) return;
    const stage = `waiting for ${describeClass(gpuClass)}`;
    this.work = { ...this.work, stage, worker: null, waitingForGpuSince: Date.now() };
    this.changed(this.work);
  }

  private hear(report: GpuReport): void {
    // A study that continued as new is still the one that asked for the work.
    const { runId, firstExecutionRunId } = workflowInfo();
    if (report.runId !== runId && report.runId !== firstExecutionRunId) return;
    const before =
      this.work ?? queuedWork({ ...report, now: report.at, gpuHours: this.gpuHours, before: null });
    this.work = hearReport(before, report, this.gpuHours);
    this.changed(this.work);
  }
}
