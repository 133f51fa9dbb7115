import type { PipelineActivities } from '../domain/activities.ts';
import { defaultParameters } from '../domain/tuning.ts';
import type { Trainer } from '../trainer/trainer.ts';

/** Asks Optuna for the trial after these, by the run's strategy and seed: the same history gets the same answer. */
export function createSuggest({ trainer }: { trainer: Trainer }): PipelineActivities['suggest'] {
  return ({ context: { config }, trials }) =>
    trainer.call('suggest', {
      strategy: config.tuning.strategy,
      space: Object.fromEntries(
        Object.entries(config.tuning.space).filter((entry) => entry[1] !== undefined),
      ) as Record<string, NonNullable<(typeof config.tuning.space)['rank']>>,
      defaults: defaultParameters(config.tuning.space, config.training),
      trials,
      seed: config.seed,
    });
}
