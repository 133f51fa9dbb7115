import { ActivityCancellationType, type ActivityOptions } from '@temporalio/workflow';
import type { RunConfig } from '../../domain/config/run-config.ts';
import { NON_RETRYABLE_KINDS } from '../../domain/errors.ts';
import type { GpuClass } from '../../domain/run/gpu-class.ts';
import { gpuQueue, PICTURES_QUEUE, PIPELINE_QUEUE } from '../../domain/run/task-queues.ts';

/**
 * Every timeout and retry of the service stands in this file, but for the delay after an error of a known kind, which
 * `domain/retries.ts` has: the delays here follow a worker that vanished or timed out.
 */
const BACKOFF = {
  initialInterval: '0.5s',
  backoffCoefficient: 2,
  maximumInterval: '1m',
  nonRetryableErrorTypes: NON_RETRYABLE_KINDS as string[],
} as const;

/** Short work on the CPU queue: a few Hub calls. A worker that died is noticed by the time-out. */
export const SHORT: ActivityOptions = {
  taskQueue: PIPELINE_QUEUE,
  startToCloseTimeout: '2m',
  retry: { ...BACKOFF, maximumAttempts: 20 },
};

/** Long work on the CPU queue that heartbeats per shard or file. */
export const LONG: ActivityOptions = {
  taskQueue: PIPELINE_QUEUE,
  startToCloseTimeout: '12h',
  heartbeatTimeout: '60s',
  retry: { ...BACKOFF, maximumAttempts: 50 },
};

/** A message to people: tried for two minutes, then let go; it never holds up a run for longer. */
export const NOTIFY: ActivityOptions = {
  taskQueue: PIPELINE_QUEUE,
  startToCloseTimeout: '20s',
  scheduleToCloseTimeout: '2m',
  retry: { ...BACKOFF, maximumInterval: '20s' },
  summary: 'tell people by webhook',
};

/** Time to save the last checkpoint at the end of the wall-clock budget. */
const SAVING_HOURS = 0.5;
const hours = (count: number) => Math.ceil(count * 3_600_000);

/** Planning and assembling a dataset: heartbeats with every file's labels, every row group and every request. */
export function preparationOptions(config: RunConfig): ActivityOptions {
  return { ...LONG, heartbeatTimeout: config.profile === 'tiny' ? '10s' : '3m' };
}

/** One shard of a preparation: it heartbeats with every picture and every few megabytes read. */
export function shardOptions(config: RunConfig): ActivityOptions {
  return { ...preparationOptions(config), taskQueue: PICTURES_QUEUE };
}

/** Uploading a release: the Hub's client says nothing while a large file is under way. */
export const UPLOAD: ActivityOptions = {
  ...LONG,
  startToCloseTimeout: '4h',
  heartbeatTimeout: '10m',
  cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
};

/**
 * Moving what is served: small commits, and looks at the Space that heartbeat each. A worker that died is noticed soon,
 * and a cancelled one puts back what was there before it ends.
 */
export const PROMOTE: ActivityOptions = {
  ...LONG,
  startToCloseTimeout: '4h',
  heartbeatTimeout: '20s',
  cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
};

/**
 * Work on the GPU queue. No schedule-to-start time-out: waiting for a GPU is a state, not a failure. No limit of
 * attempts: preemption is not an error; the activity's own ledger holds the budgets. After a session that vanished the
 * next one may start at once, however many went before.
 */
export function gpuOptions(config: RunConfig, gpuClass: GpuClass = 0): ActivityOptions {
  return {
    taskQueue: gpuQueue(config.gpuSession, gpuClass),
    // The activity ends itself at its budget, with all saved; the margin is for that, and a GPU that never comes is noticed.
    scheduleToCloseTimeout: hours(config.budget.wallClockHours + SAVING_HOURS),
    startToCloseTimeout: hours(config.budget.wallClockHours + SAVING_HOURS),
    // The CPU profile loads its base in seconds; a 12-billion-parameter base needs longer between two signs of life.
    heartbeatTimeout: config.profile === 'tiny' ? '30s' : '3m',
    cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
    retry: { ...BACKOFF, backoffCoefficient: 1, maximumInterval: '0.5s' },
    // Histories that were recorded before there were priorities have none in their configuration.
    priority: { priorityKey: config.priority ?? 3, fairnessKey: config.model },
  };
}

/** Watching the fleet: one long look that heartbeats; a worker that died is noticed soon. */
export const FLEET_WATCH: ActivityOptions = {
  startToCloseTimeout: '2h',
  heartbeatTimeout: '30s',
  cancellationType: ActivityCancellationType.TRY_CANCEL,
  retry: { ...BACKOFF },
};

/** Opening and closing sessions: a source may take minutes, heartbeats go on meanwhile; the next watch tries again. */
export const FLEET_CALL: ActivityOptions = {
  startToCloseTimeout: '30m',
  heartbeatTimeout: '30s',
  retry: { ...BACKOFF, maximumAttempts: 3 },
};
