import { ApplicationFailure, CancelledFailure } from '@temporalio/activity';
import type { ActivityInboundCallsInterceptor } from '@temporalio/worker';
import { PipelineError } from '../domain/errors.ts';

/** Gives Temporal a `PipelineError` as a failure of its kind, so that retry policies and people see it. */
export const activityErrors: ActivityInboundCallsInterceptor = {
  async execute(input, next) {
    try {
      return await next(input);
    } catch (error) {
      if (error instanceof CancelledFailure || error instanceof ApplicationFailure) throw error;
      if (error instanceof PipelineError)
        throw ApplicationFailure.create({
          type: error.kind,
          message: error.message,
          nonRetryable: !error.retryable,
          details: [error.details],
        });
      throw ApplicationFailure.create({
        type: 'Internal',
        message: error instanceof Error ? error.message : String(error),
        details: [{ stack: error instanceof Error ? (error.stack ?? '') : '' }],
      });
    }
  },
};
