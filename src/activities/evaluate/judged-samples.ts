import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Evaluation } from '../../domain/evaluation/decision.ts';
import type { StandardSample } from '../../domain/evaluation/sample-set.ts';
import { JUDGED_PICTURES } from '../../domain/release/space-trial.ts';
import type { RunContext } from '../../domain/run/context.ts';
import type { VerbParams } from '../../domain/trainer-protocol.ts';
import type { Hub } from '../../hub/hub.ts';
import { isBlank, pictureDistance } from '../../images/compare.ts';
import type { GpuCalls } from '../support/gpu-calls.ts';
import { EVALUATION_FILES, runSamples } from './cache-key.ts';
import { paintingOf } from './sampling.ts';

/** The first sample of each slice, in the set's order. */
export function judgedSamples(context: RunContext): StandardSample[] {
  const slices = new Set<string>();
  const first = runSamples(context).samples.filter(({ genre }) => !slices.has(genre) && slices.add(genre));
  return first.slice(0, JUDGED_PICTURES);
}

/** Paints samples again as the run painted them, but for what `with` names. */
export async function paintJudged(p: {
  calls: GpuCalls;
  stage: string;
  context: RunContext;
  samples: StandardSample[];
  with: Pick<VerbParams<'sample'>, 'base' | 'adapter' | 'out'> &
    Partial<Pick<VerbParams<'sample'>, 'quantization'>>;
}): Promise<void> {
  await p.calls.call('sample', { ...paintingOf(p.context, p.samples), ...p.with }, p.stage);
}

/** What became of painted pictures beside those that the gate judged. */
export interface Likeness {
  /** Largest distance to the judged picture, 0 to 1 seen from afar; 0: the very same pixels. */
  distance: number;
  /** What is wrong with the first picture that is none, or too far away; null: nothing. */
  problem: string | null;
}

/** Holds the pictures in `folder` against the judged ones. */
export async function likenessToJudged(p: {
  hub: Hub;
  evaluation: Evaluation;
  samples: StandardSample[];
  folder: string;
  /** Distance from which a picture counts as another one. */
  farthest: number;
}): Promise<Likeness> {
  const { report } = p.evaluation;
  let distance = 0;
  for (const { id } of p.samples) {
    const painted = await readFile(join(p.folder, `${id}.png`));
    if (await isBlank(painted)) return { distance, problem: `a blank picture for ${id}` };
    const path = `${EVALUATION_FILES.candidate}/${id}.png`;
    const judged = await p.hub.read({ type: report.type, repo: report.repo }, report.commit, path);
    if (judged === null) return { distance, problem: `no judged picture of ${id} to compare with` };
    const here = await pictureDistance(painted, judged);
    distance = Math.max(distance, here);
    if (here > p.farthest)
      return {
        distance,
        problem: `another picture for ${id}: ${here.toFixed(3)} away, at most ${p.farthest} is the same to the eye`,
      };
  }
  return { distance, problem: null };
}
