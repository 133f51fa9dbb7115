import { ApplicationFailure, activityInfo, CancelledFailure } from '@temporalio/activity';
import type { ActivityInboundCallsInterceptor } from '@temporalio/worker';
import { cutMessage, type ErrorKind, PipelineError } from '../domain/errors.ts';
import { retryDelayMs } from '../domain/run/retries.ts';

/** Gives Temporal a `PipelineError` as a failure of its kind, with the delay that suits the kind and a bounded message. */
export const activityErrors: ActivityInboundCallsInterceptor = {
  async execute(input, next) {
    try {
      return await next(input);
    } catch (error) {
      if (error instanceof CancelledFailure || error instanceof ApplicationFailure) throw error;
      if (error instanceof PipelineError) throw failure(error);
      const details = { stack: cutMessage(error instanceof Error ? (error.stack ?? '') : '') };
      throw failure(
        new PipelineError('Internal', error instanceof Error ? error.message : String(error), { details }),
      );
    }
  },
};

/** Largest details of a failure in a history, in characters of JSON; larger ones are left out. */
const MAX_DETAILS = 16_384;

function failure({ kind, message, details, retryable }: PipelineError): ApplicationFailure {
  const delay = retryable ? retryDelayMs(kind, countFailure(kind)) : null;
  return ApplicationFailure.create({
    type: kind,
    message: cutMessage(message),
    nonRetryable: delay === null,
    details: JSON.stringify(details).length > MAX_DETAILS ? [] : [details],
    ...(delay === null ? {} : { nextRetryDelay: delay }),
  });
}

/**
 * How often activities failed here, by kind: the limit of one kind is not used up by attempts that failed for another, such
 * as those of a long outage. A worker that restarts counts anew.
 */
const failures = new Map<string, number>();
/** Activities and kinds that are kept in mind; the oldest are forgotten. */
const MAX_COUNTED = 10_000;

function countFailure(kind: ErrorKind): number {
  const { workflowExecution, activityId } = activityInfo();
  const key = `${workflowExecution?.runId} ${activityId} ${kind}`;
  const count = (failures.get(key) ?? 0) + 1;
  failures.delete(key);
  failures.set(key, count);
  for (const oldest of failures.keys()) {
    if (failures.size <= MAX_COUNTED) break;
    failures.delete(oldest);
  }
  return count;
}
