import { z } from 'zod';
import { CommitRef, CommitSha, FileRef, RepoId, Sha256 } from '../../domain/refs.ts';
import { StoredApproval, StoredContext, StoredTraining } from '../../domain/release/provenance.ts';
import { SpaceTrial } from '../../domain/release/space-trial.ts';
import type { RunSummary } from '../../domain/run/activities.ts';
import { PhaseRecord } from '../../domain/run/phases.ts';
import { Trial, TrialParameters } from '../../domain/tuning/search-space.ts';
import { StudyRecord } from '../../domain/tuning/study.ts';
import { Confirmation } from '../../domain/tuning/top-k.ts';

/** Path of the stored summary in the record repository. */
export const SUMMARY_RECORD = 'records/summary.json';

const Summary: z.ZodType<RunSummary> = z.strictObject({
  context: StoredContext,
  phases: z.array(PhaseRecord),
  dataset: z
    .strictObject({
      dataset: CommitRef,
      images: z.strictObject({ train: z.int(), held_out: z.int(), test: z.int(), neighbors: z.int() }),
      dropped: z.record(z.string(), z.int()),
      cached: z.boolean(),
    })
    .nullable(),
  analysis: z
    .strictObject({
      verdict: z.enum(['ready', 'warnings', 'blocked']),
      reasons: z.array(z.string()),
      record: FileRef,
      cached: z.boolean(),
    })
    .nullable(),
  // What studies from before rungs and finalists lack has the value that it would have had.
  study: z
    .strictObject({
      strategy: z.string(),
      trials: z.array(Trial),
      chosen: z.int(),
      parameters: TrialParameters.default({}),
      pruner: z.string().default('none'),
      confirmations: z.array(Confirmation).default([]),
      stopped: z.string().default(''),
      sure: z.string().default(''),
      record: StudyRecord.nullable().default(null),
    })
    .nullable(),
  training: StoredTraining.nullable(),
  evaluation: z.strictObject({ report: FileRef, adapter: FileRef, summary: z.string() }).nullable(),
  gate: z
    .strictObject({
      verdict: z.enum(['PASS', 'FAIL', 'INCONCLUSIVE']),
      reasons: z.array(z.string()),
      record: FileRef,
      next: z.enum(['look', 'measure-again']).optional(),
    })
    .nullable(),
  approval: StoredApproval.nullable(),
  release: z
    .strictObject({
      release: z.strictObject({ repo: RepoId, tag: z.string(), commit: CommitSha, sha256: Sha256 }),
      space: z.strictObject({ repo: RepoId, commit: CommitSha }).nullable(),
      previousTag: z.string().nullable(),
      trial: SpaceTrial.nullable().default(null),
      cached: z.boolean(),
    })
    .nullable(),
  failure: z.string().nullable(),
});

/** `records/summary.json`: all that a run knew at its end, and the Hub that its links lead to. */
export const StoredSummary = z.strictObject({ format: z.literal(1), endpoint: z.string(), summary: Summary });
export type StoredSummary = z.infer<typeof StoredSummary>;
