import { z } from 'zod';
import { RunConfig } from '../config/run-config.ts';
import { ReleasedVariant } from '../config/variants.ts';
import { CommitRef, type CommitSha, FileRef, RepoId, RunName, Sha256 } from '../refs.ts';
import type { RunContext, Training } from '../run/activities.ts';

/** Name of the adapter in a release: what diffusers looks for. */
export const ADAPTER_FILE = 'pytorch_lora_weights.safetensors';
/** Name of the lineage record in a release. */
export const PROVENANCE_FILE = 'provenance.json';

/** One weight file of a release. */
const WeightFile = z.strictObject({ path: z.string().min(1), bytes: z.int().min(0), sha256: Sha256 });

/** `records` shape of `RunContext`. */
export const StoredContext: z.ZodType<RunContext> = z.strictObject({
  run: RunName,
  workflowId: z.string(),
  runId: z.string(),
  config: RunConfig,
  namespace: z.string(),
  base: CommitRef,
  source: CommitRef,
  repos: z.strictObject({ checkpoints: RepoId, record: RepoId, release: RepoId, space: RepoId }),
});

/** `records` shape of `Training`. */
export const StoredTraining: z.ZodType<Training> = z.strictObject({
  outcome: z.enum(['done', 'stopped']),
  step: z.int(),
  steps: z.int(),
  checkpoint: CommitRef,
  path: z.string(),
  adapterSha256: Sha256,
  heldOutLoss: z.number().nullable(),
  trainLoss: z.number().nullable(),
  repeatedSteps: z.int(),
  preemptions: z.int(),
  gpuSeconds: z.number(),
});

/** `records` shape of `Approval`. */
export const StoredApproval = z.strictObject({
  decision: z.enum(['approved', 'rejected']),
  by: z.string(),
  reason: z.string(),
  at: z.number(),
});

/** `provenance.json` of a release: everything it was made from, each at a commit. */
export const Provenance = z.strictObject({
  format: z.literal(1),
  model: z.string(),
  tag: z.string().regex(/^v[1-9]\d*$/),
  adapter: WeightFile,
  /** The same adapter in other tools' formats. */
  exports: z.array(WeightFile.extend({ format: z.string() })),
  /** Whole transformers with this adapter in their weights; absent: none. */
  variants: z.array(ReleasedVariant).optional(),
  dataset: CommitRef,
  evaluation: z.strictObject({ report: FileRef, verdict: FileRef, adapter: FileRef }),
  approval: StoredApproval.nullable(),
  /** The gate's verdict where a person released against it; absent: it was PASS. */
  overruled: z.enum(['FAIL', 'INCONCLUSIVE']).optional(),
  training: StoredTraining,
  context: StoredContext,
  /** sha256 over the run's configuration, keys sorted. */
  configFingerprint: Sha256,
  /** Software and device of the training attempt that wrote the checkpoint. */
  fingerprint: z.record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.null()])),
  /** Fields of it that differed at some resume and were accepted; absent: none did, and the training is bit-exact. */
  acceptedDifferences: z.array(z.string()).min(1).optional(),
  /** Versions of the worker that published. */
  publisher: z.record(z.string(), z.string()),
});
export type Provenance = z.infer<typeof Provenance>;

/** A release as it stands in its repository. */
export interface ReleaseEntry {
  tag: string;
  commit: CommitSha;
  provenance: Provenance;
}
