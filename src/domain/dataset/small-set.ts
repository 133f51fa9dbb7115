import type { RunConfig } from '../config/run-config.ts';

/** Pictures from which on a set is not small: the defaults fit it. */
export const SMALL_SET = 100;
/** Fewest pictures that a run can be made of: below, nothing measured on those held out says anything. */
export const MIN_PICTURES = 15;

/** Times that each picture of a small set is seen at the most: beyond, pictures are learned by heart. */
const MAX_EPOCHS = 120;
/** Optimizer updates below which nothing is learned, however few the pictures are. */
const MIN_STEPS = 400;
/**
 * Pictures held out: of 30, KID against six was known to ±0.47, and a gain of 0.46 could not be shown; against eight it
 * can. The figures of the evaluation need three.
 */
const HELD_OUT = { share: 0.27, fewest: 4, most: 14 };

/**
 * Settings for a few pictures that somebody chose by hand, over the profile's: fewer are held out and none sealed, no filter
 * doubts the choice (gray and lettered pictures stay), and steps follow from epochs. Empty for a set that is not small.
 */
export function smallSetSettings(
  pictures: number,
  config: Pick<RunConfig, 'training' | 'tuning'>,
): Record<string, unknown> {
  if (pictures >= SMALL_SET) return {};
  const { training, tuning } = config;
  const heldOut = Math.min(HELD_OUT.most, Math.max(HELD_OUT.fewest, Math.round(pictures * HELD_OUT.share)));
  const batch = training.batchSize * training.accumulation;
  const steps = Math.min(
    training.steps,
    Math.max(MIN_STEPS, Math.ceil(((pictures - heldOut) * MAX_EPOCHS) / batch)),
  );
  return {
    dataset: {
      minTrainingImages: MIN_PICTURES - HELD_OUT.fewest - 3,
      heldOutFraction: Math.min(0.5, Math.ceil((heldOut / pictures) * 1000) / 1000),
      testFraction: 0,
      minChroma: 0,
      minColorSpread: 0,
      maxLetters: null,
    },
    ...(steps === training.steps
      ? {}
      : {
          training: { steps, warmupSteps: Math.min(training.warmupSteps, Math.floor(steps / 10)) },
          tuning: { steps: Math.min(tuning.steps, steps) },
        }),
  };
}
