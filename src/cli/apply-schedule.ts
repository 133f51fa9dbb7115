import {
  type Client,
  ScheduleAlreadyRunning,
  type ScheduleOptions,
  ScheduleOverlapPolicy,
} from '@temporalio/client';
import { type ReevaluationSchedule, scheduleId } from '../domain/config/schedule-file.ts';
import { NON_RETRYABLE_KINDS } from '../domain/errors.ts';
import { PIPELINE_QUEUE } from '../domain/run/task-queues.ts';

/**
 * Creates a schedule or brings it to these settings; true when it was new. Nights never overlap: one that is still at work
 * when the next is due lets it pass. A night is tried `pauseAfterFailures` times; when all fail, the schedule pauses.
 */
export async function applySchedule(client: Client, schedule: ReevaluationSchedule): Promise<boolean> {
  const { model, namespace, onFail, cron, timeZone, catchUpMinutes, pauseAfterFailures, paused } = schedule;
  const options = {
    spec: { cronExpressions: [cron], timezone: timeZone },
    policies: {
      overlap: ScheduleOverlapPolicy.SKIP,
      catchupWindow: catchUpMinutes * 60_000,
      pauseOnFailure: pauseAfterFailures > 0,
    },
    action: {
      type: 'startWorkflow',
      workflowType: 'reevaluate',
      workflowId: `reevaluate-${model}`,
      taskQueue: PIPELINE_QUEUE,
      args: [{ model, namespace, onFail }],
      retry: {
        maximumAttempts: Math.max(1, pauseAfterFailures),
        initialInterval: '1m',
        backoffCoefficient: 3,
        // What cannot pass, such as nothing in production, is tried once a night.
        nonRetryableErrorTypes: NON_RETRYABLE_KINDS,
      },
      memo: { model },
    },
  } satisfies Omit<ScheduleOptions, 'scheduleId'>;
  const state = { paused, note: paused ? 'held by the schedule file' : 'applied by plein-air' };
  try {
    await client.schedule.create({ scheduleId: scheduleId(model), ...options, state });
    return true;
  } catch (error) {
    if (!(error instanceof ScheduleAlreadyRunning)) throw error;
    // What a person paused by hand stays paused.
    await client.schedule.getHandle(scheduleId(model)).update((previous) => ({
      ...options,
      state: paused ? { ...previous.state, ...state } : previous.state,
    }));
    return false;
  }
}
