import type { GpuClass } from './gpu-class.ts';

/** Queue of work that needs a CPU and the network. */
export const PIPELINE_QUEUE = 'pipeline';
/** Name of the versioned pipeline workers' deployment. */
export const DEPLOYMENT = 'plein-air-pipeline';
/** Queue of work that needs the trainer. */
export const GPU_QUEUE = 'gpu';
/** Queue of the shards of a preparation; served by pipeline workers, one shard at a time each. */
export const PICTURES_QUEUE = 'pictures';

/**
 * Queue of work for an accelerator of a class or a larger one, 0 for any; or of one GPU session alone, for runs that are
 * pinned to it.
 */
export function gpuQueue(session: string | null | undefined, gpuClass: GpuClass = 0): string {
  if (session != null) return `${GPU_QUEUE}-${session}`;
  return gpuClass === 0 ? GPU_QUEUE : `${GPU_QUEUE}.${gpuClass}gb`;
}

/** Whether a queue is one of those that GPU workers serve. */
export function isGpuQueue(queue: string): boolean {
  return queue === GPU_QUEUE || /^gpu[.-]/.test(queue);
}
