import { join } from 'node:path';
import { PipelineError } from '../../domain/errors.ts';
import { FARTHEST, JUDGED_PICTURES } from '../../domain/release/space-trial.ts';
import type { GpuActivities } from '../../domain/run/activities.ts';
import { ADAPTER_FILE } from '../../domain/training/checkpoint.ts';
import { sha256OfFile } from '../../hub/hashing.ts';
import { judgedSamples, likenessToJudged, paintJudged } from '../evaluate/judged-samples.ts';
import { GpuCalls, type GpuDeps } from '../support/gpu-calls.ts';
import { copyBase, copyLocally } from '../support/model-cache.ts';

/**
 * Loads a candidate from the Hub, by its commit, into the base, and paints a few judged samples again: what a user would
 * get is what the gate saw. Nothing is stored; done twice, it finds the same.
 */
export function createTryRelease(deps: GpuDeps): GpuActivities['tryRelease'] {
  return async (request) => {
    const { candidate, context } = request;
    const calls = new GpuCalls(deps, JUDGED_PICTURES);
    const copying = calls.copying(`${candidate.tag} from the Hub`);
    await calls.fits(context);
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
    await paintJudged({
      ...{ calls, context, samples, stage: `painting with ${candidate.tag}` },
      with: { base, adapter, out: folder },
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
