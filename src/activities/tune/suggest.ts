import { TuningConfig } from '../../domain/config/tuning-config.ts';
import type { PipelineActivities } from '../../domain/run/activities.ts';
import type { RunContext } from '../../domain/run/context.ts';
import type { Dimension, SearchSpace, TrialParameters } from '../../domain/tuning/search-space.ts';
import { optionsOf, PRUNERS, STRATEGIES } from '../../domain/tuning/strategies.ts';
import type { Trainer } from '../../trainer/trainer.ts';

/** Asks Optuna for the next move of a study, by the run's strategy, pruner and seed: the same history gets the same answer. */
export function createSuggest({ trainer }: { trainer: Trainer }): PipelineActivities['suggest'] {
  return ({ context: { config }, trials, earlier = [], enqueue = [], mayStart = true }) => {
    // With its defaults: a run that an older worker opened has not all of these fields.
    const tuning = TuningConfig.parse(config.tuning);
    return trainer.call('suggest', {
      strategy: tuning.strategy,
      strategyOptions: optionsOf(STRATEGIES, tuning.strategy, tuning.strategyOptions),
      pruner: tuning.pruner,
      prunerOptions: optionsOf(PRUNERS, tuning.pruner, tuning.prunerOptions),
      steps: tuning.steps,
      ...searched(config),
      enqueue,
      earlier,
      trials,
      mayStart,
      goals: tuning.objective.goals.length,
      seed: config.seed,
    });
  };
}

/** The searched dimensions and the configuration's own values of all of them. */
export function searched({ tuning, training }: RunContext['config']): {
  space: Record<string, Dimension>;
  defaults: TrialParameters;
} {
  const space = definedOnly(tuning.space);
  const defaults = Object.fromEntries(
    Object.keys(space).map((field) => [field, training[field as keyof typeof training]]),
  );
  return { space, defaults: defaults as TrialParameters };
}

function definedOnly(space: SearchSpace): Record<string, Dimension> {
  return Object.fromEntries(
    Object.entries(space).filter((entry): entry is [string, Dimension] => entry[1] !== undefined),
  );
}
