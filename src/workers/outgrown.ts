import type { ActivityInboundCallsInterceptor } from '@temporalio/worker';
import { PipelineError } from '../domain/errors.ts';
import { classAbove, type GpuClass } from '../domain/run/gpu-class.ts';

/**
 * Says with every accelerator that ran full which class comes next: the work goes on there, and no study learns from a card
 * that was too small. Without an accelerator there is nothing to grow out of.
 */
export function outgrown(own: GpuClass): ActivityInboundCallsInterceptor {
  return {
    async execute(input, next) {
      try {
        return await next(input);
      } catch (error) {
        const above = own === 0 ? null : classAbove(own);
        if (!(error instanceof PipelineError) || error.kind !== 'OutOfMemory' || above === null) throw error;
        if (error.details.gpuClass !== undefined) throw error;
        throw new PipelineError('OutOfMemory', error.message, {
          cause: error,
          details: { ...error.details, gpuClass: above },
        });
      }
    },
  };
}
