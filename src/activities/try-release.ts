import { join } from 'node:path';
import type { GpuActivities, GpuProgress } from '../domain/activities.ts';
import { PipelineError } from '../domain/errors.ts';
import { sha256OfFile } from '../hub/hashing.ts';
import type { Hub } from '../hub/hub.ts';
import { ADAPTER_FILE } from '../releases/provenance.ts';
import type { Trainer } from '../trainer/trainer.ts';
import { JUDGED_PICTURES, judgedSamples, likenessToJudged, paintJudged } from './judged-samples.ts';
import { copyBase, copyLocally } from './local-copies.ts';

/** What trying a candidate needs besides its request. */
export interface TryReleaseDeps {
  hub: Hub;
  trainer: Trainer;
  workDir: string;
  heartbeat: (progress: GpuProgress) => void;
  signal?: () => AbortSignal | undefined;
}

/**
 * Largest distance, seen from afar, to the picture that the gate judged. The same device gives the same pixels; another
 * kind of device, or a few more neighbours in a batch, gives a picture that people cannot tell apart.
 */
const FARTHEST = 0.05;

/**
 * Loads a candidate from the Hub, by its commit, into the base, and paints a few judged samples again: what a user would
 * get is what the gate saw. Nothing is stored; done twice, it finds the same.
 */
export function createTryRelease(deps: TryReleaseDeps): GpuActivities['tryRelease'] {
  return async (request) => {
    const { candidate, context } = request;
    const beat = (stage: string, done = 0, total = JUDGED_PICTURES) =>
      deps.heartbeat({ stage, done, total, etaSeconds: null, metrics: {}, lastCheckpoint: null });
    const signal = deps.signal?.();
    const copying = {
      hub: deps.hub,
      workDir: deps.workDir,
      signal,
      onProgress: (done: number, total: number) => beat(`${candidate.tag} from the Hub`, done, total),
    };
    const base = await copyBase(copying, context.base);
    const released = { type: 'model' as const, repo: candidate.repo, commit: candidate.commit };
    const adapter = join(await copyLocally(copying, released), ADAPTER_FILE);
    const sha256 = await sha256OfFile(adapter);
    if (sha256 !== candidate.sha256)
      throw new PipelineError(
        'Corrupt',
        `Expected the approved adapter (sha256 ${candidate.sha256}) in ${candidate.repo} ${candidate.tag}, got ${sha256}`,
      );
    const samples = judgedSamples(context);
    const folder = join(deps.workDir, 'candidates', candidate.commit);
    beat(`painting with ${candidate.tag}`);
    await paintJudged({
      ...{ trainer: deps.trainer, context, samples, signal },
      with: { base, adapter, out: folder },
      onEvent: (event) => {
        if (event.event === 'progress') beat(event.stage, event.done, event.total);
      },
    });
    const { hub } = deps;
    const { distance, problem } = await likenessToJudged({
      ...{ hub, evaluation: request.evaluation, samples, folder, farthest: FARTHEST },
    });
    if (problem !== null) throw unwell(candidate.tag, problem);
    return { pictures: samples.length, distance };
  };
}

function unwell(tag: string, got: string): PipelineError {
  return new PipelineError(
    'Unhealthy',
    `Expected ${tag}, loaded from the Hub, to paint what the gate judged, got ${got}: it does not go into production`,
  );
}
