import { z } from 'zod';
import { RunName } from '../refs.ts';
import { SearchSpace, TrialParameters } from '../tuning/search-space.ts';
import { PRUNER_NAMES, PRUNERS, STRATEGIES, STRATEGY_NAMES } from '../tuning/strategies.ts';

const Options = z.record(z.string(), z.unknown()).default({});

/** What a study minimizes and what a trial must keep to. */
export const TuningObjective = z
  .strictObject({
    /** One goal, or two for a Pareto front; `style` is the style margin of a few samples, higher is better. */
    goals: z
      .array(z.enum(['heldOutLoss', 'style']))
      .min(1)
      .max(2)
      .refine((goals) => new Set(goals).size === goals.length, { message: 'expected each goal once' })
      .default(['heldOutLoss']),
    /** Largest excess of close copies that a trial may have; null: not measured. */
    maxCopying: z.number().min(0).max(1).nullable().default(null),
    /** Smallest diversity against the base's pictures (1: as diverse); null: not measured. */
    minDiversity: z.number().min(0).nullable().default(null),
    /** Smallest adherence to the prompts, on the encoder's own scale; null: not measured. */
    minAdherence: z.number().nullable().default(null),
    /** Prompts of the standard sample set that a trial is measured on, evenly spread over it. */
    prompts: z.int().min(4).max(1000).default(8),
  })
  .prefault({});
export type TuningObjective = z.infer<typeof TuningObjective>;

/** How hyperparameters are searched; `fixed` trains with the configuration as it is. */
export const TuningConfig = z
  .strictObject({
    /** How the next trial is chosen; `fixed` searches nothing. */
    strategy: z.enum(STRATEGY_NAMES).default('fixed'),
    /** Options of the strategy: see docs/tuning.md. */
    strategyOptions: Options,
    /** Which trials go on from a rung; the others wait there, and may go on later. */
    pruner: z.enum(PRUNER_NAMES).default('none'),
    /** Options of the pruner: see docs/tuning.md. */
    prunerOptions: Options,
    /** Trials of the study; trial 0 is always the configuration as it is. */
    trials: z.int().min(1).max(3000).default(12),
    /** Steps of a whole trial: the highest rung. */
    steps: z.int().min(1).default(400),
    /** Which training fields are searched, and over which values. */
    space: SearchSpace,
    /** What is minimized, and within which limits. */
    objective: TuningObjective,
    /** Trials under way at a time; null: as many as there are GPU workers when the study starts. */
    parallel: z.int().min(1).max(64).nullable().default(null),
    /** Own trials, tried right after trial 0. */
    enqueue: z.array(TrialParameters).max(1000).default([]),
    /** Run whose study this one learns from; null: none. */
    warmStart: RunName.nullable().default(null),
    /** Best trials that are trained again with new seeds before one is chosen; 1: the best is taken. */
    finalists: z.int().min(1).max(8).default(2),
    /** New seeds that each finalist is trained again with; 0: none. */
    seeds: z.int().min(0).max(10).default(2),
    /** GPU hours of the study; null: those of the run's budget. */
    gpuHours: z.number().gt(0).max(10_000).nullable().default(null),
    /** Trials in a row without a gain after which none is likely to pay; null: all trials are run. */
    patience: z.int().min(1).max(10_000).nullable().default(10),
    /** What counts as a gain: part of the best value. */
    worthwhileGain: z.number().min(0).max(1).default(0.002),
  })
  .superRefine((tuning, ctx) => {
    for (const [registry, name, field] of [
      [STRATEGIES, tuning.strategy, 'strategyOptions'],
      [PRUNERS, tuning.pruner, 'prunerOptions'],
    ] as const) {
      const schema = (registry as Record<string, z.ZodType>)[name];
      const parsed = schema?.safeParse(tuning[field], { reportInput: true });
      for (const issue of parsed?.error?.issues ?? []) {
        const { path, ...rest } = issue;
        ctx.addIssue({
          ...rest,
          path: [field, ...path],
          message: `${issue.message} (options of ${name})`,
        } as never);
      }
    }
    if (tuning.objective.goals.length > 1 && tuning.pruner !== 'none')
      ctx.addIssue({
        code: 'custom',
        path: ['pruner'],
        message: `expected none with two goals, got ${tuning.pruner}: rungs rank by one`,
      });
  })
  .prefault({});
export type TuningConfig = z.infer<typeof TuningConfig>;

/** Which limits a study has, in the order of a report's violations. */
export function constraintNames(objective: TuningObjective): ('copying' | 'diversity' | 'adherence')[] {
  const all = [
    ['copying', objective.maxCopying],
    ['diversity', objective.minDiversity],
    ['adherence', objective.minAdherence],
  ] as const;
  return all.filter(([, limit]) => limit !== null).map(([name]) => name);
}

/** Whether a trial has to be sampled and measured, besides its held-out loss. */
export function needsMeasurement(objective: TuningObjective): boolean {
  return objective.goals.includes('style') || constraintNames(objective).length > 0;
}
