import { z } from 'zod';

/** One hyperparameter of a search: its range and how it is sampled. */
export const Dimension = z.discriminatedUnion('kind', [
  z
    .strictObject({
      kind: z.literal('float'),
      low: z.number(),
      high: z.number(),
      log: z.boolean().default(false),
    })
    .refine((d) => d.low < d.high && (!d.log || d.low > 0), {
      message: 'expected low < high, and low > 0 on a logarithmic scale',
    }),
  z
    .strictObject({ kind: z.literal('int'), low: z.int(), high: z.int(), log: z.boolean().default(false) })
    .refine((d) => d.low < d.high && (!d.log || d.low > 0), {
      message: 'expected low < high, and low > 0 on a logarithmic scale',
    }),
  z.strictObject({
    kind: z.literal('categorical'),
    choices: z.array(z.union([z.string(), z.number(), z.boolean()])).min(2),
  }),
]);
export type Dimension = z.infer<typeof Dimension>;

/** Names of training fields that a search may change. */
export const TunableField = z.enum([
  'learningRate',
  'rank',
  'alpha',
  'targets',
  'timesteps',
  'captionDropout',
  'weightDecay',
]);
export type TunableField = z.infer<typeof TunableField>;

/** Which training fields a search changes, and over which values. */
export const SearchSpace = z.partialRecord(TunableField, Dimension).default({
  learningRate: { kind: 'float', low: 3e-5, high: 3e-3, log: true },
  rank: { kind: 'categorical', choices: [4, 8, 16, 32] },
});
export type SearchSpace = z.infer<typeof SearchSpace>;

export const TrialParameters = z.partialRecord(TunableField, z.union([z.string(), z.number(), z.boolean()]));
export type TrialParameters = z.infer<typeof TrialParameters>;

/** One trial of a study as the strategies see it; `value` is the objective, lower is better. */
export const Trial = z.strictObject({
  number: z.int().min(0),
  parameters: TrialParameters,
  state: z.enum(['running', 'complete', 'infeasible']),
  value: z.number().nullable(),
});
export type Trial = z.infer<typeof Trial>;
