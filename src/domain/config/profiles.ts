/** Named sets of defaults; `tiny` is the embedded one that trains on a CPU. */
export const PROFILES = ['tiny', 't4', 'l4', 'a100', 'h100'] as const;
export type Profile = (typeof PROFILES)[number];

/** Models behind the metrics of the real base; the tiny profile's one encoder comes from a wheel. */
const MODELS = {
  features: 'facebook/dinov2-base',
  clip: 'openai/clip-vit-large-patch14',
  copies: 'facebook/dinov2-base',
  style: 'yuxi-liu-wired/CSD',
  preference: 'yuvalkirstain/PickScore_v1',
};

/** What each profile changes against the schema's defaults, which are those of an A100. */
const OVERRIDES: Record<Profile, Record<string, unknown>> = {
  tiny: {
    namespace: 'plein-air',
    base: { repo: 'plein-air/tiny-flux' },
    dataset: {
      source: 'plein-air/generated-wikiart',
      resolution: 128,
      minShortSide: 160,
      maxPerArtist: 60,
      heldOutFraction: 0.1,
      testFraction: 0.2,
      neighborsPerStyle: 12,
      minTrainingImages: 60,
    },
    training: {
      steps: 300,
      batchSize: 4,
      accumulation: 1,
      learningRate: 1e-3,
      warmupSteps: 10,
      rank: 8,
      alpha: 8,
      precision: 'fp32',
      gradientCheckpointing: false,
      checkpointEvery: 50,
      heldOutEvery: 50,
      sampleEvery: 150,
    },
    tuning: {
      strategy: 'gp',
      trials: 3,
      steps: 40,
      seeds: 1,
      space: {
        learningRate: { kind: 'float', low: 3e-5, high: 3e-3, log: true },
        rank: { kind: 'categorical', choices: [4, 8, 16, 32] },
      },
    },
    evaluation: {
      promptSet: 'tiny-v2',
      seedsPerPrompt: 2,
      size: 128,
      inferenceSteps: 12,
      guidance: 1,
      encoder: 'efficientnet-lite0',
    },
    budget: { gpuHours: 1, wallClockHours: 12, storageGb: 1 },
    checkpoints: { minSeconds: 0, maxSeconds: 20 },
    deployment: { hardware: 'cpu-basic', startMinutes: 5 },
  },
  t4: {
    dataset: { resolution: 512 },
    evaluation: { size: 512, seedsPerPrompt: 2, models: MODELS, deployedPrecision: 'fp16' },
    training: { precision: 'fp16', quantization: 'nf4', rank: 8, alpha: 8 },
  },
  l4: {
    dataset: { resolution: 512 },
    evaluation: { size: 512, seedsPerPrompt: 2, models: MODELS },
    training: { quantization: 'int8' },
  },
  a100: { evaluation: { models: { ...MODELS, questions: 'llava-hf/llava-1.5-7b-hf' } } },
  h100: {
    training: { batchSize: 4, accumulation: 1 },
    evaluation: { models: { ...MODELS, questions: 'llava-hf/llava-1.5-7b-hf' } },
  },
};

/** Defaults of the profile that an input asks for; an unknown one yields none, and the schema names it. */
export function profileDefaults(input: unknown): Record<string, unknown> {
  const asked =
    typeof input === 'object' && input !== null && 'profile' in input ? input.profile : ('tiny' as const);
  return (PROFILES as readonly unknown[]).includes(asked) ? OVERRIDES[asked as Profile] : {};
}
