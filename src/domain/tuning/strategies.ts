import { z } from 'zod';

/**
 * Strategies by name, each with the options that it takes. What a strategy does stands in one file of its own,
 * `gpu-worker/src/plein_air/tuning/strategies/<name>.py`, found there by this name: a new one is that file and a line here.
 */
export const STRATEGIES = {
  /** Trains the configuration as it is. */
  fixed: z.strictObject({}),
  /** Independent draws. */
  random: z.strictObject({}),
  /** Tree-structured Parzen estimators, after a few Sobol points. */
  tpe: z.strictObject({
    firstPoints: z.int().min(0).max(1000).default(3),
    candidates: z.int().min(1).max(10_000).default(24),
  }),
  /** Gaussian processes for goals and constraints, after a few Sobol points; models the best and newest `window` trials. */
  gp: z.strictObject({
    firstPoints: z.int().min(0).max(1000).default(3),
    window: z.int().min(10).max(5000).default(150),
  }),
} as const;
export type StrategyName = keyof typeof STRATEGIES;
export const STRATEGY_NAMES = Object.keys(STRATEGIES) as [StrategyName, ...StrategyName[]];

const reductionFactor = z.int().min(2).max(10).default(3);
/** Steps of the lowest rung; null: `tuning.steps` divided by the reduction factor twice. */
const minSteps = z.int().min(1).nullable().default(null);

/** Pruners by name with their options; one file each in `gpu-worker/src/plein_air/tuning/pruners/`. */
export const PRUNERS = {
  /** Every trial runs to its last step. */
  none: z.strictObject({}),
  /** Asynchronous successive halving: the best of each rung go on. */
  asha: z.strictObject({ reductionFactor, minSteps }),
} as const;
export type PrunerName = keyof typeof PRUNERS;
export const PRUNER_NAMES = Object.keys(PRUNERS) as [PrunerName, ...PrunerName[]];

/** A strategy's or pruner's options with their defaults; call it on options that the schema has accepted. */
export function optionsOf<T extends typeof STRATEGIES | typeof PRUNERS>(
  registry: T,
  name: keyof T,
  given: Record<string, unknown>,
): Record<string, number | null> {
  return (registry[name] as z.ZodType).parse(given) as Record<string, number | null>;
}
