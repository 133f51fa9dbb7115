/** Queue of work that needs a CPU and the network. */
export const PIPELINE_QUEUE = 'pipeline';
/** Queue of work that needs the trainer. */
export const GPU_QUEUE = 'gpu';
/** Queue of the shards of a preparation; served by pipeline workers, one shard at a time each. */
export const PICTURES_QUEUE = 'pictures';
