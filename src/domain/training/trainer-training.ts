import { canonicalJson } from '../canonical-json.ts';
import { type Parsed, parseFields, type RunConfig, TrainingConfig } from '../config/run-config.ts';
import type { TrainerTraining } from '../trainer-protocol.ts';
import type { TrialParameters } from '../tuning/search-space.ts';

/** A run's training with a trial's parameters in place, as the trainer takes it. */
export function trainerTraining(
  config: Pick<RunConfig, 'seed' | 'training' | 'dataset'>,
  parameters: TrialParameters,
): Parsed<TrainerTraining> {
  const parsed = parseFields(TrainingConfig, { ...config.training, ...parameters });
  if (!parsed.ok) {
    const problems = parsed.problems.map(({ field, problem }) => ({ field: `parameters.${field}`, problem }));
    return { ok: false, problems };
  }
  const { keepCheckpoints: _, ...training } = parsed.value;
  return {
    ok: true,
    value: {
      ...training,
      seed: config.seed,
      // The schedule runs to the end of the whole training, so that a trial's checkpoint can be continued exactly.
      scheduleSteps: training.steps,
      resolution: config.dataset.resolution,
    },
  };
}

/** The facts that decide a branch's result, in one canonical text: its hash is the branch's key. */
export function trainingFacts(p: {
  base: string;
  dataset: string;
  training: TrainerTraining;
  lastStep: number;
}): string {
  const { checkpointEvery: _, ...all } = p.training;
  const { heldOutEvery: __, sampleEvery: ___, earlyStopping: ____, ...decisive } = all;
  // When to measure decides nothing, unless what is measured may end the training.
  const training = all.earlyStopping > 0 ? all : decisive;
  return canonicalJson({ base: p.base, dataset: p.dataset, lastStep: p.lastStep, training });
}
