import { z } from 'zod';
import { canonicalJson } from '../canonical-json.ts';
import { TuningObjective } from '../config/tuning-config.ts';
import { RunName } from '../refs.ts';
import type { RunContext } from '../run/context.ts';
import { SearchSpace, Trial } from './search-space.ts';
import { StudyInsight } from './study.ts';
import { Confirmation } from './top-k.ts';

/** Files of a study in its run's record repository. */
export const STUDY_FILES = {
  study: 'study/study.json',
  report: 'study/index.html',
} as const;

/** `study/study.json`: a finished study, from which reports are drawn and later studies start. */
export const StoredStudy = z.strictObject({
  format: z.literal(1),
  run: RunName,
  /** What must be the same for another study's values to compare with these. */
  facts: z.string(),
  strategy: z.string(),
  pruner: z.string(),
  steps: z.int(),
  space: SearchSpace,
  objective: TuningObjective,
  trials: z.array(Trial),
  earlier: z.int(),
  confirmations: z.array(Confirmation),
  chosen: z.int(),
  parallel: z.int(),
  spentSeconds: z.number(),
  stopped: z.string().nullable(),
  insight: StudyInsight,
});
export type StoredStudy = z.infer<typeof StoredStudy>;

/** Everything besides the searched fields that decides a trial's value, as one canonical text. */
export function studyFacts({ base, source, config }: Pick<RunContext, 'base' | 'source' | 'config'>): string {
  const { space, steps, objective } = config.tuning;
  const searched = new Set(Object.keys(space));
  const training = Object.entries(config.training).filter(
    ([field]) => !searched.has(field) && !IDLE.has(field),
  );
  return canonicalJson({
    base: `${base.repo}@${base.commit}`,
    source: `${source.repo}@${source.commit}`,
    dataset: config.dataset,
    training: Object.fromEntries(training),
    searched: [...searched].sort(),
    steps,
    objective,
  });
}

/** Settings that decide how a training is saved and watched, not what comes of it. */
const IDLE = new Set(['checkpointEvery', 'keepCheckpoints', 'heldOutEvery']);
