import type { TrainRequest } from '../../domain/run/activities.ts';
import type { TrainerTraining, VerbParams, VerbResult } from '../../domain/trainer-protocol.ts';
import type { Hub } from '../../hub/hub.ts';
import { copyBase, copyLocally } from '../support/model-cache.ts';
import { latentCache, restoreLatents, whileSharing } from './latent-cache.ts';

/** Local folders that a training reads. */
export interface TrainingInputs {
  base: string;
  dataset: string;
  /** Latents and text embeddings. */
  cache: string;
}

/** Brings base, dataset and what was encoded elsewhere to this machine, and encodes and shares what is missing. */
export async function bringInputs(p: {
  hub: Hub;
  workDir: string;
  signal: AbortSignal;
  request: TrainRequest;
  training: TrainerTraining;
  onProgress: (what: string) => (doneBytes: number, totalBytes: number) => void;
  encode: (params: VerbParams<'encode'>) => Promise<VerbResult<'encode'>>;
  /** Gives signs of life while something is waited for. */
  alive: <T>(wait: () => Promise<T>) => Promise<T>;
  /** Called with how many packs of this attempt are on the Hub. */
  onShared: (packs: number) => void;
  log: (line: string) => void;
}): Promise<TrainingInputs> {
  const { hub, workDir, signal, request, training, onProgress } = p;
  const { context } = request;
  const base = await copyBase({ hub, workDir, signal, onProgress: onProgress('base') }, context.base);
  const dataset = await copyLocally(
    { hub, workDir, signal, onProgress: onProgress('dataset') },
    request.dataset,
  );
  const cache = latentCache({
    ...{ hub, workDir, resolution: training.resolution, namespace: context.namespace },
    ...{ base: context.base, dataset: request.dataset },
  });
  const { packs: out, shared } = await restoreLatents(cache, { signal, onProgress: onProgress('latents') });
  const { log, onShared, alive } = p;
  await alive(() =>
    whileSharing(cache, { shared, signal, log, onShared }, () =>
      p.encode({ base, dataset, out, training, stopAtStep: request.stopAtStep }),
    ),
  );
  return { base, dataset, cache: out };
}
