/** The workflow types by the names that people start them with. */
export { fineTune } from './fine-tune/fine-tune.ts';
export { gpuFleet, reapGpuSessions } from './gpu-fleet.ts';
export { prepare } from './prepare.ts';
export { reevaluate } from './reevaluate.ts';
export { rollback } from './rollback.ts';
export { tune } from './tune/tune.ts';
