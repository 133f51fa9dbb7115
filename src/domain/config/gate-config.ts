import { z } from 'zod';

/** Who a candidate is compared with; `base` figures carry no prefix in the report. */
export const Opponent = z.enum(['base', 'production', 'best']);
export type Opponent = z.infer<typeof Opponent>;

/** One rule of the gate: a bound of a metric's confidence interval against a threshold. */
export const GateRule = z.strictObject({
  /** Name of the metric in the evaluation report, such as `kid.improvement`. */
  metric: z.string().min(1),
  /** Which side of the interval must hold: `above` compares the lower bound, `below` the upper. */
  must: z.enum(['above', 'below']),
  threshold: z.number(),
  /** Where a figure compares two models, the other one; a first release has no `production` and no `best`. */
  against: Opponent.optional(),
  /** Slice of the prompts, such as `portrait` or `sealed`; default: all prompts with the trigger. */
  slice: z.string().min(1).optional(),
});
export type GateRule = z.infer<typeof GateRule>;

/** What a candidate has to prove before it may be released. */
export const GateConfig = z
  .strictObject({
    /** Rules that must all hold; null: those of the profile's encoder in `domain/gate-rules.ts`. */
    rules: z.array(GateRule).min(1).nullable().default(null),
    /** Confidence of every bound (one-sided), over all looks of all candidates that are tried for one release. */
    confidence: z.number().min(0.5).max(0.9999).default(0.95),
    /**
     * Looks at most: after an INCONCLUSIVE verdict the set is doubled, tripled, …, and judged again. The error
     * 1 - confidence is split evenly over the looks (Bonferroni), so that it holds however often is looked.
     */
    looks: z.int().min(1).max(5).default(2),
    /** A person must approve after PASS. */
    requireApproval: z.boolean().default(false),
    /** Whether a person may release after FAIL or INCONCLUSIVE; the override is written on the model card. */
    allowOverride: z.boolean().default(false),
    /** Hours to wait for that person; afterwards nothing is released. */
    approvalTimeoutHours: z
      .number()
      .gt(0)
      .max(24 * 90)
      .default(72),
  })
  .prefault({});
export type GateConfig = z.infer<typeof GateConfig>;
