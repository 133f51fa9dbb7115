/** Queue of work that needs a CPU and the network. */
export const PIPELINE_QUEUE = 'pipeline';
/** Name of the versioned pipeline workers' deployment. */
export const DEPLOYMENT = 'plein-air-pipeline';
/** Queue of work that needs the trainer. */
export const GPU_QUEUE = 'gpu';
/** Queue of the shards of a preparation; served by pipeline workers, one shard at a time each. */
export const PICTURES_QUEUE = 'pictures';

/** Queue of one GPU session alone, for runs that are pinned to it; null: the queue that every GPU worker shares. */
export function gpuQueue(session: string | null | undefined): string {
  return session == null ? GPU_QUEUE : `${GPU_QUEUE}-${session}`;
}

/** Whether a queue is one of those that GPU workers serve. */
export function isGpuQueue(queue: string): boolean {
  return queue === GPU_QUEUE || queue.startsWith(`${GPU_QUEUE}-`);
}
