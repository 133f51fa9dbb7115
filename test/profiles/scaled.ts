import { PROFILES, type Profile } from '../../src/domain/config/profiles.ts';
import { mergeDeep, parseRunConfig, type RunConfig } from '../../src/domain/config/run-config.ts';

/** The profiles that people use: every one but the embedded `tiny`. */
export const REAL_PROFILES = PROFILES.filter((profile) => profile !== 'tiny');

/**
 * What the harness may change of a profile: sizes and counts. Precision, quantization, offload, optimizer, checkpointing,
 * encoder, judges, checkpoints to choose from and how samples are painted stay the profile's own.
 */
const SCALE = {
  namespace: 'plein-air',
  dataset: {
    ...{ resolution: 64, minShortSide: 64, minTrainingImages: 4, maxImages: 40, neighborsPerStyle: 4 },
  },
  training: { steps: 6, warmupSteps: 1, checkpointEvery: 2, heldOutEvery: 2, sampleEvery: 2 },
  tuning: { steps: 2 },
  evaluation: { size: 64, inferenceSteps: 2, seedsPerPrompt: 1 },
  checkpoints: { minSeconds: 0 },
};

/** A profile's own configuration with sizes and counts scaled to a CPU; `change` is on top. */
export function scaledProfile(profile: Profile, change: Record<string, unknown>): RunConfig {
  const parsed = parseRunConfig(mergeDeep({ profile, ...SCALE }, change));
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.problems));
  return parsed.value;
}

/** The part of a configuration that scaling must leave alone. */
export function ownSettings({ training, evaluation, deployment, gate, tuning }: RunConfig) {
  const { precision, quantization, offloadBlocks, optimizer, gradientCheckpointing, rank, alpha } = training;
  const { batchSize, accumulation, targets, ema, compile, attention } = training;
  const { encoder, models, checkpoints, deployedPrecision, guidance } = evaluation;
  return {
    ...{ precision, quantization, offloadBlocks, optimizer, gradientCheckpointing, rank, alpha },
    ...{ batchSize, accumulation, targets, ema, compile, attention },
    ...{ encoder, models, checkpoints, deployedPrecision, guidance },
    ...{ variants: deployment.variants, rules: gate.rules, strategy: tuning.strategy },
  };
}
