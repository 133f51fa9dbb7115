import { z } from 'zod';
import { ReleasedVariant } from '../config/variants.ts';
import { Approval } from '../evaluation/decision.ts';
import { CommitRef, type CommitSha, FileRef, Sha256 } from '../refs.ts';
import { RunContext } from '../run/context.ts';
import { Training } from '../training/training.ts';
import { License } from './license.ts';
import { ReleaseTag } from './release.ts';

/** Name of the lineage record in a release. */
export const PROVENANCE_FILE = 'provenance.json';

/** One weight file of a release. */
const WeightFile = z.strictObject({ path: z.string().min(1), bytes: z.int().min(0), sha256: Sha256 });

/** `provenance.json` of a release: everything it was made from, each at a commit. */
export const Provenance = z.strictObject({
  format: z.literal(1),
  model: z.string(),
  tag: ReleaseTag,
  adapter: WeightFile,
  /** The same adapter in other tools' formats. */
  exports: z.array(WeightFile.extend({ format: z.string() })),
  /** Whole transformers with this adapter in their weights; absent: none. */
  variants: z.array(ReleasedVariant).optional(),
  dataset: CommitRef,
  /** As the dataset's card states it; null: it states none. */
  datasetLicense: z.string().nullable(),
  /** Of the base. */
  license: License,
  evaluation: z.strictObject({ report: FileRef, verdict: FileRef, adapter: FileRef }),
  approval: Approval.nullable(),
  /** The gate's verdict where a person released against it; absent: it was PASS. */
  overruled: z.enum(['FAIL', 'INCONCLUSIVE']).optional(),
  training: Training,
  context: RunContext,
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
