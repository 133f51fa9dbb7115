import { z } from 'zod';
import { MODEL_ROLES } from '../config/evaluation-models.ts';
import { PipelineError } from '../errors.ts';
import { CommitSha, Sha256 } from '../refs.ts';

/** A figure with its bounds, each one-sided at the report's confidence; null: it could not be had. */
export const Metric = z.strictObject({
  estimate: z.number().nullable(),
  low: z.number().nullable(),
  high: z.number().nullable(),
  /** Pictures behind the figure. */
  n: z.int().min(0),
  /** How figure and bounds were found, in words. */
  method: z.string(),
});
export type Metric = z.infer<typeof Metric>;

const Fault = z.enum(['nan', 'blank', 'size']);

/** Figures of the prompts of one kind, or of the `sealed` ones. */
const Slice = z.strictObject({ genre: z.string(), metrics: z.record(z.string(), Metric) });

/** A release that the candidate was compared with: the same prompts and seeds, picture by picture. */
export const Comparison = z.strictObject({
  name: z.enum(['production', 'best']),
  tag: z.string(),
  adapterSha256: Sha256,
  manifestSha256: Sha256,
  /** What the candidate gained over it; names as in the report's own metrics. */
  metrics: z.record(z.string(), Metric),
  slices: z.array(Slice),
});
export type Comparison = z.infer<typeof Comparison>;

/** `evaluation/report.json`: everything that the trainer measured about a candidate. */
export const EvaluationReport = z.strictObject({
  format: z.literal(1),
  encoder: z.strictObject({
    name: z.string(),
    /** Package and version that the weights come from. */
    package: z.string(),
    weightsSha256: Sha256,
    dimensions: z.int().min(1),
    /** Side in pixels that pictures are brought to. */
    side: z.int().min(1),
  }),
  /** The exported LoRA file that painted the candidate's pictures. */
  adapterSha256: Sha256,
  samples: z.strictObject({
    /** Identity of the sample set: ids, prompts, seeds, size, steps, guidance, precision. */
    setSha256: Sha256,
    count: z.int().min(1),
    prompts: z.int().min(1),
    candidateManifestSha256: Sha256,
    baseManifestSha256: Sha256,
  }),
  dataset: z.strictObject({
    train: z.int(),
    /** Paintings of the split `reference`. */
    unseen: z.int(),
    /** Split that everything was measured against: `held_out` for choices, `test` for the gate. */
    reference: z.enum(['held_out', 'test']),
    neighbors: z.int(),
    /** sha256 of every file read. */
    files: z.record(z.string(), Sha256),
  }),
  /** One-sided confidence of every bound. */
  confidence: z.number(),
  seed: z.int(),
  metrics: z.record(z.string(), Metric),
  slices: z.array(Slice),
  /** Releases compared with; none for a first release. Absent in reports from before there were any. */
  comparisons: z.array(Comparison).optional(),
  /** Models behind adherence, style, copying and preference, each at the commit that was used. */
  models: z
    .array(
      z.strictObject({
        role: z.enum(MODEL_ROLES),
        repo: z.string(),
        commit: CommitSha,
        weightsSha256: Sha256,
      }),
    )
    .optional(),
  /** What this encoder's profile cannot measure, and why: left out openly. */
  omitted: z.array(
    z.strictObject({
      metric: z.string(),
      reason: z.string(),
      /** True: it could have been measured, elsewhere; a rule that asks for it is INCONCLUSIVE. */
      unchecked: z.boolean().optional(),
    }),
  ),
  faults: z.strictObject({ candidate: z.record(z.string(), Fault), base: z.record(z.string(), Fault) }),
  perSample: z.array(
    z.strictObject({
      id: z.string(),
      promptId: z.string(),
      genre: z.string(),
      styleMargin: z.number().nullable(),
      baseStyleMargin: z.number().nullable(),
      /** Neighboring style that the picture is nearest to. */
      nearestStyle: z.string().nullable(),
      pixelChange: z.number().nullable(),
      nearestTrain: z.string(),
      nearestTrainCosine: z.number(),
      nearestUnseen: z.string(),
      nearestUnseenCosine: z.number(),
      /** Figures of this picture by the models of the report; null for a picture that cannot be measured. */
      scores: z.record(z.string(), z.number().nullable()).optional(),
      fault: Fault.nullable(),
      baseFault: Fault.nullable(),
    }),
  ),
  /** Samples nearest to training pictures; `picture` shows sample, training picture and unseen picture, left to right. */
  closest: z.array(
    z.strictObject({
      sample: z.string(),
      train: z.string(),
      trainCosine: z.number(),
      unseen: z.string(),
      unseenCosine: z.number(),
      picture: z.string(),
    }),
  ),
});
export type EvaluationReport = z.infer<typeof EvaluationReport>;

/**
 * Files of the dataset that a report names although it may read neither training pictures' neighbors nor its own split
 * there: a choice that saw the gate's paintings, or a gate that judges by paintings that something was chosen by.
 */
export function otherSplits(
  report: Pick<EvaluationReport, 'dataset'>,
  reference: 'held_out' | 'test',
): string[] {
  const may = new RegExp(`^data/(train|neighbors|${reference})-[^/]*$`);
  const named = Object.keys(report.dataset.files).filter((file) => !may.test(file));
  return report.dataset.reference === reference ? named : [`reference ${report.dataset.reference}`, ...named];
}

/** Refuses a report that was measured against other paintings than it may read. */
export function refuseOtherSplits(
  report: Pick<EvaluationReport, 'dataset'>,
  reference: 'held_out' | 'test',
): void {
  const named = otherSplits(report, reference);
  if (named.length > 0)
    throw new PipelineError(
      'Internal',
      `expected a report that reads train, neighbors and ${reference} alone, got ${named.join(', ')}`,
    );
}
