import { ActivityFailure, ApplicationFailure, proxyActivities } from '@temporalio/workflow';
import type { RunConfig } from '../../domain/config/run-config.ts';
import type { GpuActivities, PipelineActivities } from '../../domain/run/activities.ts';
import { type GpuClass, isGpuClass } from '../../domain/run/gpu-class.ts';
import { gpuOptions, shortOptions } from './activity-options.ts';

/** What else there is to work that moves from queue to queue. */
export interface GpuPlacement {
  /** Told when work waits for a larger accelerator. */
  moved?: (gpuClass: GpuClass) => void;
  /** Whether work that fits on no machine there is waits for one that comes; else it fails. Default: it waits. */
  waits?: boolean;
}

/**
 * The work on the GPU queues, each with a line for the UI's timeline that says what of its kind it is. What does not fit on
 * the machine that took it up goes back, to the queue of the class that it needs; what follows begins there.
 */
export function gpuActivities(config: RunConfig, placement: GpuPlacement = {}): GpuActivities {
  let known: GpuClass = 0;
  const said = async <T>(summary: string, work: (gpu: GpuActivities) => Promise<T>): Promise<T> => {
    for (let own = known; ; ) {
      try {
        return await work(proxyActivities<GpuActivities>({ ...gpuOptions(config, own), summary }));
      } catch (error) {
        const needed = config.gpuSession === null ? classNeeded(error) : null;
        if (needed === null || needed <= own) throw error;
        if (placement.waits === false && !(await isServed(needed))) throw error;
        own = needed;
        if (needed > known) known = needed;
        placement.moved?.(needed);
      }
    }
  };
  return {
    captionPictures: (p) => said(`captions, piece ${p.piece}`, (gpu) => gpu.captionPictures(p)),
    train: (p) => said(`${p.branch} to step ${p.stopAtStep ?? config.training.steps}`, (gpu) => gpu.train(p)),
    measureTrial: (p) => said(`samples of a trial at step ${p.training.step}`, (gpu) => gpu.measureTrial(p)),
    chooseCheckpoint: (p) => said('which checkpoint goes to the gate', (gpu) => gpu.chooseCheckpoint(p)),
    evaluate: (p) =>
      said(
        `standard samples of step ${p.training.step}${p.look === undefined ? '' : `, look ${p.look}`}`,
        (gpu) => gpu.evaluate(p),
      ),
    tryRelease: (p) => said('the candidate, loaded from the Hub', (gpu) => gpu.tryRelease(p)),
    makeVariants: (p) => said('whole transformers that the release asks for', (gpu) => gpu.makeVariants(p)),
  };
}

/** The class of accelerator that work which did not fit asks for; null: it failed of something else, or fits nowhere. */
function classNeeded(error: unknown): GpuClass | null {
  const cause = error instanceof ActivityFailure ? error.cause : null;
  if (!(cause instanceof ApplicationFailure) || cause.type !== 'OutOfMemory') return null;
  const details = cause.details?.[0] as { gpuClass?: unknown } | undefined;
  return isGpuClass(details?.gpuClass) ? details.gpuClass : null;
}

/** Whether a machine that serves this class asks for work now. */
async function isServed(gpuClass: GpuClass): Promise<boolean> {
  return (await proxyActivities<PipelineActivities>(shortOptions(null)).servedClasses()).some(
    (one) => one >= gpuClass,
  );
}
