import type { DatasetManifest } from '../../domain/dataset/record.ts';
import type { Standing } from '../../domain/evaluation/ledger.ts';
import type { Metric } from '../../domain/evaluation/report.ts';
import type { RunSummary, SessionCosts } from '../../domain/run/summary.ts';
import type { AttemptRecord } from '../../domain/training/ledger.ts';
import type { CurvePoint } from '../figures/plots.ts';

/** A rule of the gate and what was measured for it. */
export interface GateRow {
  metric: string;
  /** Interval and estimate; null: not measured. */
  low: number | null;
  value: number | null;
  high: number | null;
  must: 'above' | 'below' | null;
  threshold: number | null;
  holds: boolean | null;
  /** The metric in words. */
  note: string;
}

/** The standard samples of one prompt. */
export interface SampleRow {
  promptId: string;
  prompt: string;
  /** Part of the sample set that the prompt belongs to. */
  slice: string;
  /** `production` is absent where nothing was in production. */
  pairs: {
    seed: number;
    base: Buffer | null;
    candidate: Buffer | null;
    production?: Buffer | null;
    id: string;
  }[];
}

/** A sample nearest to training pictures; its picture shows sample, training picture and unseen picture. */
export interface ClosestPair {
  sampleId: string;
  trainingId: string;
  cosine: number;
  unseenCosine: number;
  path: string;
  picture: Buffer | null;
}

/** Everything that the documents are made from, read from stored records; what a run did not reach is null or empty. */
export interface RunRecords {
  /** Where links lead. */
  endpoint: string;
  summary: RunSummary;
  manifest: DatasetManifest | null;
  contactSheets: { kept: Buffer | null; dropped: Buffer | null };
  /** Validation images, one file a step, in order of their steps. */
  validationImages: { step: number; path: string; href: string; bytes: Buffer }[];
  curves: { loss: CurvePoint[]; heldOut: CurvePoint[]; learningRate: CurvePoint[] };
  preemptionSteps: number[];
  attempts: AttemptRecord[];
  /** When each attempt, by its token, wrote its first and its last figure that is on the Hub. */
  measuredAt: Record<number, { first: number; last: number }>;
  /** Sessions that a fleet opened for the run; null: none. */
  gpuSessions: SessionCosts | null;
  gate: GateRow[];
  /** Where the candidate stands among those of its model; absent: judged before there was a ledger, or not at all. */
  standing?: Standing;
  /** Metrics that were measured for information, without a rule. */
  informative: GateRow[];
  /** Why the report itself was not believed, and what the encoder cannot measure. */
  problems: string[];
  omitted: { metric: string; reason: string }[];
  /** `gain` is the gain in style margin with its bounds. */
  slices: { slice: string; metrics: Record<string, number | null>; gain?: Metric | null }[];
  encoder: string | null;
  samples: SampleRow[];
  closest: ClosestPair[];
  /** Software and device of the attempt that wrote the final checkpoint. */
  fingerprint: Record<string, string | number | boolean | null>;
}
