import { Context } from '@temporalio/activity';
import type { ActivityContext } from '../activities/support/activity-context.ts';
import { withAttempts } from './attempts.ts';
import { reportProgress } from './run-reports.ts';

function heartbeat(context: Context, details: unknown): void {
  context.heartbeat(withAttempts(details));
  reportProgress(details);
}

/** Heartbeat and cancellation of the activity that runs now, for activities that know nothing of Temporal. */
export const current = {
  heartbeat: (details: unknown) => heartbeat(Context.current(), details),
  signal: () => Context.current().cancellationSignal,
};

/** The whole context of the activity that runs now. */
export function currentActivity(): ActivityContext {
  const context = Context.current();
  return {
    info: context.info,
    cancellationSignal: context.cancellationSignal,
    heartbeat: (details) => heartbeat(context, details),
  };
}
