import { z } from 'zod';
import { RunConfig } from '../../domain/config/run-config.ts';
import type { Rival } from '../../domain/evaluation/gate.ts';
import { lookConfidence } from '../../domain/evaluation/ledger.ts';
import { type StandardSample, sampleSet, sampleSetText } from '../../domain/evaluation/sample-set.ts';
import { type CommitRef, Sha256 } from '../../domain/refs.ts';
import type { RunContext } from '../../domain/run/context.ts';
import { ADAPTER_FILE } from '../../domain/training/checkpoint.ts';
import type { Training } from '../../domain/training/training.ts';
import { sha256Of } from '../../hub/hashing.ts';
import type { PinnedModel } from './models.ts';

/** Grows when the same inputs would be measured in another way. */
const EVALUATION_VERSION = 3;

/** Folder of an evaluation in the record repository, with `EVALUATION_FILES` in it. */
export const EVALUATION_FOLDER = 'evaluation';
export const EVALUATION_FILES = {
  /** What the evaluation was made from: it is done when its key is there. */
  key: `${EVALUATION_FOLDER}/key.json`,
  report: `${EVALUATION_FOLDER}/report.json`,
  verdict: `${EVALUATION_FOLDER}/verdict.json`,
  /** The sample set: id, prompt, seed, promptId and genre of every picture. */
  samples: `${EVALUATION_FOLDER}/samples.json`,
  adapter: `${EVALUATION_FOLDER}/adapter/${ADAPTER_FILE}`,
  /** `<sample id>.png` each, and `manifest.json`. */
  candidate: `${EVALUATION_FOLDER}/candidate`,
  base: `${EVALUATION_FOLDER}/base`,
  /** `production` and `best`, where there are such releases: a picture a sample, as above. */
  rivals: `${EVALUATION_FOLDER}/rivals`,
} as const;

/** `evaluation/key.json`. */
export const EvaluationKey = z.strictObject({
  format: z.literal(1),
  key: Sha256,
  /** What the key is a hash of. */
  inputs: z.record(z.string(), z.unknown()),
  reportSha256: Sha256,
  adapterSha256: Sha256,
  sampleSetSha256: Sha256,
  /** In the model's ledger. */
  candidate: Sha256.optional(),
  summary: z.string(),
});
export type EvaluationKey = z.infer<typeof EvaluationKey>;

/** A context with every field of the configuration: one that an older worker wrote lacks the newer ones. */
export function completed(context: RunContext): RunContext {
  return { ...context, config: RunConfig.parse(context.config) };
}

/** The sample set of a run at a look (from 1), with its identity. */
export function runSamples(context: RunContext, look = 1): { samples: StandardSample[]; sha256: Sha256 } {
  const { config } = context;
  const samples = sampleSet(config, look, context.rotation);
  return {
    samples,
    sha256: sha256Of(
      sampleSetText(samples, {
        ...config.evaluation,
        precision: config.training.precision,
        quantization: config.training.quantization,
      }),
    ),
  };
}

/** Everything that decides an evaluation's figures, and the hash of it. */
export function evaluationKey(p: {
  context: RunContext;
  dataset: CommitRef;
  training: Training;
  look: number;
  rivals: readonly Rival[];
  models: readonly PinnedModel[];
  /** Its place in the model's ledger. */
  place: number;
}): {
  key: Sha256;
  inputs: Record<string, unknown>;
} {
  const { config, base } = p.context;
  const inputs = {
    version: EVALUATION_VERSION,
    base,
    dataset: p.dataset,
    adapterSha256: p.training.adapterSha256,
    heldOutLoss: p.training.heldOutLoss,
    sabotage: config.sabotage,
    sampleSetSha256: runSamples(p.context, p.look).sha256,
    encoder: config.evaluation.encoder,
    models: p.models,
    deployedPrecision: config.evaluation.deployedPrecision,
    rivals: p.rivals.map(({ name, tag, adapterSha256 }) => ({ name, tag, adapterSha256 })),
    confidence: lookConfidence(config.gate, p.place),
    seed: config.seed,
    trigger: config.dataset.trigger,
    model: config.model,
  };
  return { key: sha256Of(JSON.stringify(inputs)), inputs };
}
