import { z } from 'zod';
import { Analysis } from '../dataset/analysis-result.ts';
import { PreparedDataset } from '../dataset/prepared-dataset.ts';
import { Approval, Evaluation, GateDecision } from '../evaluation/decision.ts';
import { GpuSession } from '../gpu-source/session.ts';
import { Release } from '../release/release.ts';
import { Training } from '../training/training.ts';
import { StudyResult } from '../tuning/study-result.ts';
import { RunContext } from './context.ts';
import { Failure } from './outcome.ts';
import { PhaseRecord } from './phases.ts';

/** All that a run knows at its end, for the documents; null: the run did not get that far. */
export const RunSummary = z.strictObject({
  context: RunContext,
  phases: z.array(PhaseRecord),
  dataset: PreparedDataset.nullable(),
  analysis: Analysis.nullable(),
  study: StudyResult.nullable(),
  training: Training.nullable(),
  evaluation: Evaluation.nullable(),
  gate: GateDecision.nullable(),
  approval: Approval.nullable(),
  release: Release.nullable(),
  /** Why the run failed or was cancelled. */
  failure: Failure.nullable(),
});
export type RunSummary = z.infer<typeof RunSummary>;

/** Path of the stored summary in the record repository. */
export const SUMMARY_RECORD = 'records/summary.json';

/** GPU sessions that the fleet opened for a run, as its ledger had them at a moment (milliseconds since the epoch). */
export const SessionCosts = z.strictObject({ at: z.number(), sessions: z.array(GpuSession) });
export type SessionCosts = z.infer<typeof SessionCosts>;

/** `records/summary.json`: a run's summary, the Hub that its links lead to, and what its GPU sessions cost. */
export const StoredSummary = z.strictObject({
  format: z.literal(1),
  endpoint: z.string(),
  summary: RunSummary,
  /** Null: no fleet opened a session for it. */
  gpuSessions: SessionCosts.nullable().default(null),
});
export type StoredSummary = z.infer<typeof StoredSummary>;
