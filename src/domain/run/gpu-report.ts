import { z } from 'zod';

/** What a GPU activity tells its run now and then, as the signal `progress`: the same figures as its heartbeats. */
export const GpuReport = z.object({
  /** Temporal's run id that the work was asked for by; a report of an earlier run is not heard. */
  runId: z.string(),
  activity: z.string(),
  /** `main`, `trial-3`; empty where the work has none. */
  branch: z.string(),
  attempt: z.int().min(1),
  worker: z.string(),
  /** Milliseconds since the epoch. */
  at: z.number(),
  progress: z.object({
    stage: z.string(),
    done: z.number(),
    total: z.number(),
    etaSeconds: z.number().nullable(),
    metrics: z.record(z.string(), z.number()),
    lastCheckpoint: z.object({ step: z.number(), commit: z.string(), at: z.number() }).nullable(),
  }),
});
export type GpuReport = z.infer<typeof GpuReport>;

/** GPU work of a run as the query `status` shows it; times are milliseconds since the epoch. */
export interface GpuWork {
  activity: string;
  branch: string;
  /** When the work was put on the queue; null once a worker has it. */
  waitingForGpuSince: number | null;
  attempt: number;
  worker: string | null;
  stage: string;
  step: number;
  steps: number;
  etaSeconds: number | null;
  /** When the figures were told. */
  toldAt: number | null;
  lastCheckpoint: { step: number; commit: string; at: number } | null;
  preemptions: number;
  repeatedSteps: number;
  /** Part of the steps done that were not done again: 1 where no preemption cost any. */
  goodput: number;
  gpuSeconds: number;
  /** Of `budget.gpuHours`. */
  gpuHoursLeft: number;
  /** Newest figures: loss, heldOutLoss, imagesPerSecond, … */
  metrics: Record<string, number>;
}

/** Work that was just put on the queue. */
export function queuedWork(p: {
  activity: string;
  branch: string;
  now: number;
  gpuHours: number;
  before: GpuWork | null;
}): GpuWork {
  const { activity, branch, now, gpuHours, before } = p;
  return {
    activity,
    branch,
    waitingForGpuSince: now,
    attempt: 1,
    worker: null,
    stage: 'waiting for a GPU',
    step: 0,
    steps: 0,
    etaSeconds: null,
    toldAt: null,
    lastCheckpoint: before?.branch === branch ? before.lastCheckpoint : null,
    preemptions: 0,
    repeatedSteps: 0,
    goodput: 1,
    gpuSeconds: before?.gpuSeconds ?? 0,
    gpuHoursLeft: before?.gpuHoursLeft ?? gpuHours,
    metrics: {},
  };
}

/** The work after a report; one of an attempt that has been replaced changes nothing. */
export function hearReport(work: GpuWork, report: GpuReport, gpuHours: number): GpuWork {
  const same = work.activity === report.activity && work.branch === report.branch;
  if (same && work.worker !== null && report.attempt < work.attempt) return work;
  const { progress } = report;
  const { metrics } = progress;
  const step = Math.round(metrics.step ?? (progress.stage === 'train' ? progress.done : 0));
  const repeatedSteps = metrics.repeatedSteps ?? 0;
  const gpuSeconds = metrics.runGpuSeconds ?? work.gpuSeconds;
  return {
    activity: report.activity,
    branch: report.branch,
    waitingForGpuSince: null,
    attempt: report.attempt,
    worker: report.worker,
    stage: progress.stage,
    step: report.activity === 'train' ? step : progress.done,
    steps: progress.total > 0 ? progress.total : work.steps,
    etaSeconds: progress.etaSeconds,
    toldAt: report.at,
    lastCheckpoint: progress.lastCheckpoint ?? (same ? work.lastCheckpoint : null),
    preemptions: metrics.preemptions ?? report.attempt - 1,
    repeatedSteps,
    goodput: step + repeatedSteps > 0 ? step / (step + repeatedSteps) : 1,
    gpuSeconds,
    gpuHoursLeft: Math.max(0, gpuHours - gpuSeconds / 3600),
    metrics,
  };
}

const START_REPORTS = 200;

/**
 * Whether an attempt tells its run something now. Every report costs four history events, so they thin out: within an
 * attempt from every 2 s to every 10 minutes, with the age of the work, and with the number of attempts. A thousand
 * preemptions make about 520 reports, a year of training at most 2,300 (9,200 events).
 */
export function isReportDue(p: {
  attempt: number;
  /** Reports that this attempt has sent. */
  sent: number;
  secondsSinceReport: number;
  /** Since the work was first put on the queue. */
  secondsSinceScheduled: number;
}): boolean {
  if (p.sent === 0) return p.attempt % Math.ceil(p.attempt / START_REPORTS) === 0;
  const growing = Math.min(600, 2 ** Math.min(p.sent, 10));
  return p.secondsSinceReport >= Math.max(growing, 2 * p.attempt, p.secondsSinceScheduled / 120);
}
