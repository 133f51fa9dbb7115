import { proxyActivities } from '@temporalio/workflow';
import type { RunConfig } from '../../domain/config/run-config.ts';
import type { GpuActivities } from '../../domain/run/activities.ts';
import { gpuOptions } from './activity-options.ts';

/** The work on the GPU queue, each with a line for the UI's timeline that says what of its kind it is. */
export function gpuActivities(config: RunConfig): GpuActivities {
  const said = (summary: string) => proxyActivities<GpuActivities>({ ...gpuOptions(config), summary });
  return {
    captionPictures: (p) => said(`captions, piece ${p.piece}`).captionPictures(p),
    train: (p) => said(`${p.lane} to step ${p.stopAtStep ?? config.training.steps}`).train(p),
    measureTrial: (p) => said(`samples of a trial at step ${p.training.step}`).measureTrial(p),
    chooseCheckpoint: (p) => said('which checkpoint goes to the gate').chooseCheckpoint(p),
    evaluate: (p) =>
      said(
        `standard samples of step ${p.training.step}${p.look === undefined ? '' : `, look ${p.look}`}`,
      ).evaluate(p),
    tryRelease: (p) => said('the candidate, loaded from the Hub').tryRelease(p),
    makeVariants: (p) => said('whole transformers that the release asks for').makeVariants(p),
  };
}
