import { z } from 'zod';
import type { TuningConfig } from '../config/tuning-config.ts';
import type { Trial } from './search-space.ts';
import { type CompleteTrial, ranked, violation } from './tuning.ts';

/** A finalist trained again, to the study's last step, with a seed that no trial had. */
export const Confirmation = z.strictObject({
  trial: z.int().min(0),
  seed: z.int().min(0),
  /** First goal; null: it diverged or ran out of memory. */
  value: z.number().nullable(),
  gpuSeconds: z.number().min(0),
});
export type Confirmation = z.infer<typeof Confirmation>;

/** The trials that are trained again before one is chosen, best first; none where there is nothing to choose between. */
export function chooseFinalists(
  trials: readonly Trial[],
  tuning: Pick<TuningConfig, 'finalists' | 'seeds' | 'objective'>,
): CompleteTrial[] {
  if (tuning.seeds === 0 || tuning.objective.goals.length > 1) return [];
  const fit = ranked(trials).filter((trial) => violation(trial) === 0);
  const finalists = fit.slice(0, tuning.finalists);
  return finalists.length < 2 ? [] : finalists;
}

/** Most branches that a study trains on: its trials, and each finalist again with each new seed. */
export function studyBranches(
  tuning: Pick<TuningConfig, 'strategy' | 'trials' | 'finalists' | 'seeds' | 'objective'>,
): number {
  if (tuning.strategy === 'fixed') return 0;
  const finalists = Math.min(tuning.finalists, tuning.trials);
  const again = finalists < 2 || tuning.objective.goals.length > 1 ? 0 : finalists * tuning.seeds;
  return tuning.trials + again;
}

/** The `index`-th new seed of a study, from 1: far from those that people give to runs. */
export function newSeed(seed: number, index: number): number {
  return (seed + index * 1_000_003) % 2 ** 31;
}

/** Mean of a finalist's values over the new seeds; infinite when one of them failed or none was trained. */
export function confirmedValue(confirmations: readonly Confirmation[], trial: number): number {
  const own = confirmations.filter((c) => c.trial === trial);
  if (own.length === 0) return Number.POSITIVE_INFINITY;
  return own.reduce((sum, c) => sum + (c.value ?? Number.POSITIVE_INFINITY), 0) / own.length;
}

/**
 * The finalist with the lowest mean over the new seeds. The value that made it a finalist does not count: the best of
 * many noisy values is too good to be true. Finalists that were not trained with every seed are compared on those they share.
 */
export function chooseFinalist(
  finalists: readonly CompleteTrial[],
  confirmations: readonly Confirmation[],
): CompleteTrial | null {
  const seeds = [...new Set(confirmations.map(({ seed }) => seed))].filter((seed) =>
    finalists.every(({ number }) => confirmations.some((c) => c.trial === number && c.seed === seed)),
  );
  const shared = confirmations.filter(({ seed }) => seeds.includes(seed));
  if (shared.length === 0) return finalists[0] ?? null;
  const value = ({ number }: CompleteTrial) => confirmedValue(shared, number);
  return [...finalists].sort((a, b) => value(a) - value(b) || 0)[0] ?? null;
}
