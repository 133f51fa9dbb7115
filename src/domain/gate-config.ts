import { z } from 'zod';

/** One rule of the gate: a bound of a metric's confidence interval against a threshold. */
export const GateRule = z.strictObject({
  /** Name of the metric in the evaluation report, such as `kid.improvement`. */
  metric: z.string().min(1),
  /** Which side of the interval must hold: `above` compares the lower bound, `below` the upper. */
  must: z.enum(['above', 'below']),
  threshold: z.number(),
});
export type GateRule = z.infer<typeof GateRule>;

/** What a candidate has to prove before it may be released. */
export const GateConfig = z
  .strictObject({
    /** Rules that must all hold; null: those of the profile's encoder in `domain/gate-rules.ts`. */
    rules: z.array(GateRule).min(1).nullable().default(null),
    /** Confidence of every bound (one-sided). */
    confidence: z.number().min(0.5).max(0.9999).default(0.95),
    /** A person must approve after PASS. */
    requireApproval: z.boolean().default(false),
    /** Hours to wait for that person; afterwards nothing is released. */
    approvalTimeoutHours: z
      .number()
      .gt(0)
      .max(24 * 90)
      .default(72),
  })
  .prefault({});
export type GateConfig = z.infer<typeof GateConfig>;
