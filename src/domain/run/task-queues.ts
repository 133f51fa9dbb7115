import { type GpuClass, isGpuClass } from './gpu-class.ts';

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

/** The class of accelerators that a queue's work needs; a queue of one session, or of none that is known, needs any. */
export function classOfQueue(queue: string): GpuClass {
  const gigabytes = Number(/^gpu\.(\d+)gb$/.exec(queue)?.[1] ?? 0);
  return isGpuClass(gigabytes) ? gigabytes : 0;
}
