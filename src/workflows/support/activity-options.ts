import { ActivityCancellationType, type ActivityOptions } from '@temporalio/workflow';
import type { RunConfig } from '../../domain/config/run-config.ts';
import { NON_RETRYABLE_KINDS } from '../../domain/errors.ts';
import type { GpuClass } from '../../domain/run/gpu-class.ts';
import { gpuQueue, PICTURES_QUEUE, PIPELINE_QUEUE } from '../../domain/run/task-queues.ts';

/**
 * Every timeout of the service is in this file. How often a failed attempt is repeated depends on the kind of its error alone
 * and is in `domain/run/retries.ts`: no option here limits attempts, so that no outage ends a run before its budget does.
 * The delays here follow a worker that vanished or timed out.
 */
const RETRY = {
  initialInterval: '0.5s',
  backoffCoefficient: 2,
  maximumInterval: '1m',
  nonRetryableErrorTypes: NON_RETRYABLE_KINDS as string[],
} as const;

/** Time to save the last checkpoint at the end of the wall-clock budget, in hours. */
const SAVING_HOURS = 0.5;
/** Wall-clock budget of work that belongs to no run, in hours. */
const DEFAULT_HOURS = 24;

/** Longest time that one activity may take, all attempts and waiting included; the run's wall-clock budget. */
function budget(config: RunConfig | null): Pick<ActivityOptions, 'scheduleToCloseTimeout'> {
  const hours = config === null ? DEFAULT_HOURS : config.budget.wallClockHours + SAVING_HOURS;
  return { scheduleToCloseTimeout: Math.ceil(hours * 3_600_000) };
}

/** Short work on the CPU queue: a few Hub calls. A worker that died is noticed by the timeout. */
export function shortOptions(config: RunConfig | null): ActivityOptions {
  return { taskQueue: PIPELINE_QUEUE, startToCloseTimeout: '2m', retry: RETRY, ...budget(config) };
}

/** Long work on the CPU queue that heartbeats per shard or file. */
export function longOptions(config: RunConfig | null): ActivityOptions {
  return {
    taskQueue: PIPELINE_QUEUE,
    startToCloseTimeout: '12h',
    heartbeatTimeout: '60s',
    retry: RETRY,
    ...budget(config),
  };
}

/** A report in between: the next one catches up on one that was given up. */
export const REPORT: ActivityOptions = { ...longOptions(null), scheduleToCloseTimeout: '30m' };

/** The report of a run that failed: the failure itself is known already. */
export const FAILURE_REPORT: ActivityOptions = { ...longOptions(null), scheduleToCloseTimeout: '1h' };

/** How long a cancelled run may still take for its report, in milliseconds, half of it for one that is being written. */
export const CANCELLED_REPORT_MS = 120_000;

/**
 * A message to people. It goes ahead of other work on its queue and never expires there; the attempts, about two minutes
 * of them, are limited here because a webhook that refuses has no error kind.
 */
export const NOTIFY: ActivityOptions = {
  taskQueue: PIPELINE_QUEUE,
  startToCloseTimeout: '20s',
  retry: { ...RETRY, maximumInterval: '20s', maximumAttempts: 10 },
  priority: { priorityKey: 1 },
  summary: 'notify people by webhook',
};

/** Planning and assembling a dataset: heartbeats with every file's labels, every row group and every request. */
export function preparationOptions(config: RunConfig): ActivityOptions {
  return { ...longOptions(config), heartbeatTimeout: config.profile === 'tiny' ? '10s' : '3m' };
}

/** One shard of a preparation: it heartbeats with every image and every few megabytes read. */
export function shardOptions(config: RunConfig): ActivityOptions {
  return { ...preparationOptions(config), taskQueue: PICTURES_QUEUE };
}

/** Uploading a release: the Hub's client says nothing while a large file is being uploaded. */
export function uploadOptions(config: RunConfig): ActivityOptions {
  return {
    ...longOptions(config),
    startToCloseTimeout: '4h',
    heartbeatTimeout: '10m',
    cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
  };
}

/**
 * Changing what is served: small commits, and checks of the Space that heartbeat each. A worker that died is noticed soon,
 * and a cancelled activity restores what was there before it ends.
 */
export function promotionOptions(config: RunConfig | null): ActivityOptions {
  return {
    ...longOptions(config),
    startToCloseTimeout: '4h',
    heartbeatTimeout: '20s',
    cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
  };
}

/**
 * Work on the GPU queue. No schedule-to-start timeout: waiting for a GPU is a state, not a failure. Preemption is not an
 * error; the activity's own ledger holds the budgets. After a session that vanished the next one may start at once, however
 * many there were before.
 */
export function gpuOptions(config: RunConfig, gpuClass: GpuClass = 0): ActivityOptions {
  return {
    taskQueue: gpuQueue(config.gpuSession, gpuClass),
    // The activity ends itself at its budget, with all saved; the margin is for that, and a GPU that never comes is noticed.
    ...budget(config),
    // The CPU profile loads its base in seconds; a 12-billion-parameter base needs longer between two signs of life.
    heartbeatTimeout: config.profile === 'tiny' ? '30s' : '3m',
    cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
    retry: { ...RETRY, backoffCoefficient: 1, maximumInterval: '0.5s' },
    priority: { priorityKey: config.priority, fairnessKey: config.model },
  };
}

/** Watching the fleet: one long look that heartbeats; a worker that died is noticed soon. */
export const FLEET_WATCH: ActivityOptions = {
  startToCloseTimeout: '2h',
  heartbeatTimeout: '30s',
  cancellationType: ActivityCancellationType.TRY_CANCEL,
  retry: RETRY,
};

/** Opening and closing sessions: a source may take minutes, heartbeats go on meanwhile; the next watch tries again. */
export const FLEET_CALL: ActivityOptions = {
  startToCloseTimeout: '30m',
  heartbeatTimeout: '30s',
  retry: { ...RETRY, maximumAttempts: 3 },
};
