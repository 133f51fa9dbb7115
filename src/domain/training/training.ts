import { z } from 'zod';
import { CommitRef, Sha256 } from '../refs.ts';

/** A training as far as it got: its checkpoint and its figures over all attempts. */
export const Training = z.strictObject({
  outcome: z.enum(['done', 'stopped']),
  step: z.int(),
  steps: z.int(),
  /** The checkpoint's commit in the checkpoint repository. */
  checkpoint: CommitRef,
  /** `checkpoints/step-…` of that commit. */
  path: z.string(),
  adapterSha256: Sha256,
  heldOutLoss: z.number().nullable(),
  trainLoss: z.number().nullable(),
  /** Steps repeated because an attempt died after its last checkpoint, over all attempts. */
  repeatedSteps: z.int(),
  /** Attempts that ended without asking to (kill, lost worker), over all attempts. */
  preemptions: z.int(),
  gpuSeconds: z.number(),
});
export type Training = z.infer<typeof Training>;
