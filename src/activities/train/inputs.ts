import type { TrainRequest } from '../../domain/run/activities.ts';
import type { VerbParams, VerbResult } from '../../domain/trainer-protocol.ts';
import type { Hub } from '../../hub/hub.ts';
import { copyBase, copyLocally } from '../support/model-cache.ts';
import { latentCache, restoreLatents, shareLatents } from './latent-cache.ts';

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
  resolution: number;
  onProgress: (what: string) => (doneBytes: number, totalBytes: number) => void;
  encode: (params: VerbParams<'encode'>) => Promise<VerbResult<'encode'>>;
  log: (line: string) => void;
}): Promise<TrainingInputs> {
  const { hub, workDir, signal, request, resolution, onProgress } = p;
  const { context } = request;
  const base = await copyBase({ hub, workDir, signal, onProgress: onProgress('base') }, context.base);
  const dataset = await copyLocally(
    { hub, workDir, signal, onProgress: onProgress('dataset') },
    request.dataset,
  );
  const cache = latentCache({
    ...{ hub, workDir, resolution, namespace: context.namespace },
    ...{ base: context.base, dataset: request.dataset },
  });
  const out = await restoreLatents(cache, { signal, onProgress: onProgress('latents') });
  const encoded = await p.encode({ base, dataset, out, resolution, splits: ['train', 'held_out'] });
  // A cache that cannot be shared costs the next machine time, and this one nothing.
  if (encoded.bytes > 0)
    await shareLatents(cache, signal).catch((error: unknown) => {
      signal.throwIfAborted();
      p.log(`latents were not shared: ${String(error)}`);
    });
  return { base, dataset, cache: out };
}
