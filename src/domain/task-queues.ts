/** Queue of work that needs a CPU and the network. */
export const PIPELINE_QUEUE = 'pipeline';
/** Queue of work that needs the trainer. */
export const GPU_QUEUE = 'gpu';
