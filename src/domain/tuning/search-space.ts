import { z } from 'zod';

const Choice = z.union([z.string(), z.number(), z.boolean()]);

/** Names of training fields that a search may change. */
export const TunableField = z.enum([
  'learningRate',
  'rank',
  'alpha',
  'targets',
  'timesteps',
  'captionDropout',
  'weightDecay',
  'accumulation',
  'batchSize',
  'schedule',
  'warmupSteps',
  'gradientClip',
  'ema',
]);
export type TunableField = z.infer<typeof TunableField>;

/** A dimension is searched only where another field of the space has one of these values; elsewhere the default stands. */
export const Condition = z.strictObject({ field: TunableField, in: z.array(Choice).min(1) });
export type Condition = z.infer<typeof Condition>;

const when = Condition.optional();
const ordered = (d: { low: number; high: number; log: boolean }) => d.low < d.high && (!d.log || d.low > 0);
const ORDER = { message: 'expected low < high, and low > 0 on a logarithmic scale' };

/** One hyperparameter of a search: its range and how it is sampled. */
export const Dimension = z.discriminatedUnion('kind', [
  z
    .strictObject({
      kind: z.literal('float'),
      low: z.number(),
      high: z.number(),
      log: z.boolean().default(false),
      when,
    })
    .refine(ordered, ORDER),
  z
    .strictObject({
      kind: z.literal('int'),
      low: z.int(),
      high: z.int(),
      log: z.boolean().default(false),
      when,
    })
    .refine(ordered, ORDER),
  z.strictObject({ kind: z.literal('categorical'), choices: z.array(Choice).min(2), when }),
]);
export type Dimension = z.infer<typeof Dimension>;

/** Which training fields a search changes, and over which values; the default suits a style LoRA on FLUX.1-dev. */
export const SearchSpace = z
  .partialRecord(TunableField, Dimension)
  .superRefine((space, ctx) => {
    for (const { field, message } of conditionProblems(space))
      ctx.addIssue({ code: 'custom', path: [field, 'when', 'field'], message });
  })
  .default({
    learningRate: { kind: 'float', low: 3e-5, high: 1e-3, log: true },
    rank: { kind: 'categorical', choices: [4, 8, 16, 32, 64] },
    alpha: { kind: 'categorical', choices: [8, 16, 32] },
    targets: { kind: 'categorical', choices: ['attention', 'attention+feed-forward', 'all-linear'] },
    timesteps: { kind: 'categorical', choices: ['logit-normal', 'uniform'] },
    captionDropout: { kind: 'float', low: 0, high: 0.2, log: false },
    accumulation: { kind: 'categorical', choices: [2, 4, 8] },
  });
export type SearchSpace = z.infer<typeof SearchSpace>;

export const TrialParameters = z.partialRecord(TunableField, Choice);
export type TrialParameters = z.infer<typeof TrialParameters>;

/** What a trial had come to at a rung. */
export const TrialReport = z.strictObject({
  step: z.int().min(0),
  /** One a goal of the study, lower is better. */
  values: z.array(z.number()).min(1),
  /** One a constraint: above 0 it is broken, by so much. */
  violations: z.array(z.number()).default([]),
});
export type TrialReport = z.infer<typeof TrialReport>;

/** One trial of a study as the strategies see it. */
export const Trial = z.strictObject({
  number: z.int().min(0),
  parameters: TrialParameters,
  /** `paused`: waits at a rung for its promotion; `infeasible`: diverged or ran out of memory. */
  state: z.enum(['running', 'paused', 'complete', 'infeasible']),
  /** First goal at the highest rung reached, lower is better. */
  value: z.number().nullable(),
  /** By step; the last one is of the highest rung. */
  reports: z.array(TrialReport).default([]),
  /** Seconds on a GPU, over all rungs. */
  gpuSeconds: z.number().min(0).default(0),
});
export type Trial = z.infer<typeof Trial>;

/** A field's condition that cannot work: on a field that is not searched, or in a circle. */
function conditionProblems(space: SpaceOf): { field: string; message: string }[] {
  return Object.entries(space).flatMap(([field, dimension]) => {
    const seen = [field];
    for (let at = dimension?.when?.field; at !== undefined; at = space[at]?.when?.field) {
      if (space[at] === undefined)
        return [{ field, message: `expected a field of the same space, got ${at}, which is not searched` }];
      if (seen.includes(at))
        return [{ field, message: `expected no circle, got ${[...seen, at].join(' needs ')}` }];
      seen.push(at);
    }
    return [];
  });
}

type SpaceOf = Partial<Record<string, Dimension>>;

/** Whether a dimension is searched under these values of the other fields. */
export function isActive(space: SpaceOf, field: string, values: Partial<Record<string, unknown>>): boolean {
  const condition = space[field]?.when;
  if (condition === undefined) return true;
  return (
    (condition.in as unknown[]).includes(values[condition.field]) && isActive(space, condition.field, values)
  );
}
