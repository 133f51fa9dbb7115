/**
 * What training FLUX.1-dev needs, as it is predicted before a download: weights, LoRA and checkpoint sizes by rank, memory
 * and time by profile, and the same beside published figures. `node scripts/ts.mjs bench/flux-needs.ts [--json]`; the counts
 * are held against the real shapes on the meta device by gpu-worker/tests/test_flux_shapes.py.
 */

import { PROFILES } from '../src/domain/config/profiles.ts';
import { parseRunConfig, type TrainingConfig } from '../src/domain/config/run-config.ts';
import { checkpointBytes, loraParameters } from '../src/domain/training/lora-size.ts';
import { microStepSeconds, trainingNeeds } from '../src/domain/training/needs.ts';
import { trainerTraining } from '../src/domain/training/trainer-training.ts';

const FLUX = { num_layers: 19, num_single_layers: 38, attention_head_dim: 128, num_attention_heads: 24 };
const CARDS = { t4: 'Tesla T4', l4: 'NVIDIA L4', a100: 'NVIDIA A100', h100: 'NVIDIA H100' };

const configOf = (profile: string, change: Partial<TrainingConfig> = {}) => {
  const parsed = parseRunConfig({ profile, training: change });
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.problems));
  return parsed.value;
};
const predict = (card: string, profile: string, change: Partial<TrainingConfig> = {}, side?: number) => {
  const config = configOf(profile, change);
  const resolution = side ?? config.dataset.resolution;
  const needs = trainingNeeds(FLUX, config.training, resolution);
  const training = trainerTraining(config, {});
  if (!training.ok) throw new Error(JSON.stringify(training.problems));
  return {
    resolution,
    training: training.value,
    needs,
    seconds: microStepSeconds(needs, { name: card }, config.training.precision),
  };
};

const sizes = (['attention', 'attention+feed-forward', 'all-linear'] as const).flatMap((targets) =>
  [4, 8, 16, 32, 64].map((rank) => {
    const parameters = loraParameters(FLUX, { rank, targets });
    const checkpoint = (optimizer: TrainingConfig['optimizer']) =>
      checkpointBytes(parameters, { optimizer, ema: 0 });
    return {
      ...{ targets, rank, parameters, adapter: 4 * parameters },
      ...{ adamw: checkpoint('adamw'), adamw8bit: checkpoint('adamw-8bit'), prodigy: checkpoint('prodigy') },
    };
  }),
);
const profiles = Object.fromEntries(
  PROFILES.flatMap((profile) => (profile === 'tiny' ? [] : [[profile, predict(CARDS[profile], profile)]])),
);
const small = { rank: 4, targets: 'attention', gradientCheckpointing: true } as const;
const published = [
  ['RTX 4090, NF4, rank 4, 512×768: about 9 GB, 0.88 s', '4090', { quantization: 'nf4', ...small }, 627],
  ['T4, fp16, NF4: 8.4 to 9.8 GB, 4.5 to 5.1 s', 'T4', { quantization: 'nf4', ...small }, 627],
  ['16 bit base: 26 GB', 'A100', { quantization: 'none', ...small }, 627],
  ['H100, fp8, accumulation 1: 36.6 GB, 1.7 s', 'H100', { quantization: 'fp8', ...small }, 1024],
] as const;
const beside = published.map(([what, card, change, side]) => ({
  what,
  ...predict(card, 'a100', change, side),
}));

const gb = (bytes: number) => `${(bytes / 1e9).toPrecision(3)} GB`;
const mb = (bytes: number) => (bytes < 1e9 ? `${Math.round(bytes / 1e6)} MB` : gb(bytes));
const row = (...cells: (string | number)[]) => `| ${cells.join(' | ')} |`;
if (process.argv.includes('--json'))
  process.stdout.write(`${JSON.stringify({ sizes, profiles, published: beside })}\n`);
else
  process.stdout.write(
    [
      `transformer: ${predict('', 'a100').needs.baseParameters} parameters`,
      row('targets', 'rank', 'LoRA', 'adapter', 'checkpoint: AdamW', '8 bit AdamW', 'Prodigy'),
      ...sizes.map((s) =>
        row(
          ...[s.targets, s.rank, `${(s.parameters / 1e6).toPrecision(4)} M`, mb(s.adapter)],
          ...[mb(s.adamw), mb(s.adamw8bit), mb(s.prodigy)],
        ),
      ),
      row('profile', 'side', 'base', 'LoRA, optimizer', 'activations', 'peak VRAM', 'host', 'micro-step'),
      ...Object.entries(profiles).map(([name, { resolution, needs, seconds }]) =>
        row(
          ...[name, resolution, gb(needs.baseBytes), gb(needs.stateBytes), gb(needs.activationBytes)],
          ...[gb(needs.vramBytes), gb(needs.ramBytes), `${seconds?.toPrecision(2)} s`],
        ),
      ),
      row('published', 'predicted in training', 'with T5 before it', 'micro-step'),
      ...beside.map(({ what, needs, seconds }) =>
        row(
          ...[what, gb((needs.baseBytes + needs.stateBytes + needs.activationBytes) * 1.05 + 0.6e9)],
          ...[gb(needs.vramBytes), `${seconds?.toPrecision(2)} s`],
        ),
      ),
      '',
    ].join('\n'),
  );
