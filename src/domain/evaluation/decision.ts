import { z } from 'zod';
import { FileRef, Sha256 } from '../refs.ts';

/** A measured candidate. */
export const Evaluation = z.strictObject({
  /** `evaluation/report.json` in the record repository. */
  report: FileRef,
  /** The evaluated adapter, as exported, in the record repository: `evaluation/adapter/pytorch_lora_weights.safetensors`. */
  adapter: FileRef,
  /** One line for people. */
  summary: z.string(),
  /** The candidate in its model's ledger; absent: measured before there was one. */
  candidate: Sha256.optional(),
});
export type Evaluation = z.infer<typeof Evaluation>;

/** The gate's decision on an evaluation. */
export const GateDecision = z.strictObject({
  verdict: z.enum(['PASS', 'FAIL', 'INCONCLUSIVE']),
  /** One sentence per rule. */
  reasons: z.array(z.string()),
  /** `evaluation/verdict.json` in the record repository. */
  record: FileRef,
  /** What could still change the verdict: a further look, or the same one against what is in production by now. */
  next: z.enum(['look', 'measure-again']).optional(),
});
export type GateDecision = z.infer<typeof GateDecision>;

/** A person's decision on a candidate. */
export const Approval = z.strictObject({
  decision: z.enum(['approved', 'rejected']),
  by: z.string(),
  reason: z.string(),
  /** Milliseconds since the epoch. */
  at: z.number(),
});
export type Approval = z.infer<typeof Approval>;
