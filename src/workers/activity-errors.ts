import { ApplicationFailure, activityInfo, CancelledFailure } from '@temporalio/activity';
import type { ActivityInboundCallsInterceptor } from '@temporalio/worker';
import { PipelineError } from '../domain/errors.ts';
import { retryDelayMs } from '../domain/run/retries.ts';

/** Gives Temporal a `PipelineError` as a failure of its kind, with the delay that suits the kind. */
export const activityErrors: ActivityInboundCallsInterceptor = {
  async execute(input, next) {
    try {
      return await next(input);
    } catch (error) {
      if (error instanceof CancelledFailure || error instanceof ApplicationFailure) throw error;
      if (error instanceof PipelineError) throw failure(error);
      const details = { stack: error instanceof Error ? (error.stack ?? '') : '' };
      throw failure(
        new PipelineError('Internal', error instanceof Error ? error.message : String(error), { details }),
      );
    }
  },
};

function failure({ kind, message, details, retryable }: PipelineError): ApplicationFailure {
  const delay = retryable ? retryDelayMs(kind, activityInfo().attempt) : null;
  return ApplicationFailure.create({
    type: kind,
    message,
    nonRetryable: delay === null,
    details: [details],
    ...(delay === null ? {} : { nextRetryDelay: delay }),
  });
}
