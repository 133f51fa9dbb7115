import { z } from 'zod';
import type { TrainingConfig } from '../config/run-config.ts';

/** The part of a FLUX transformer's `config.json` that decides how large an adapter is. */
export const TransformerShape = z.object({
  num_layers: z.int().min(0),
  num_single_layers: z.int().min(0),
  attention_head_dim: z.int().min(1),
  num_attention_heads: z.int().min(1),
  /** Width of the text embeddings that it takes; absent: FLUX.1-dev's. */
  joint_attention_dim: z.int().min(1).optional(),
});
export type TransformerShape = z.infer<typeof TransformerShape>;

/** (inputs + outputs) / width of a block's adapted layers, summed; a LoRA of rank r has r × (inputs + outputs) weights. */
const BLOCK_WIDTHS: Record<TrainingConfig['targets'], { double: number; single: number }> = {
  attention: { double: 8 * 2, single: 3 * 2 },
  'attention+feed-forward': { double: 8 * 2 + 4 * 5, single: 3 * 2 },
  'all-linear': { double: 8 * 2 + 4 * 5 + 2 * 7, single: 3 * 2 + 5 + 6 + 4 },
};

/** Number of weights of a LoRA: 26.1 million for FLUX.1-dev's attention at rank 16. */
export function loraParameters(
  shape: TransformerShape,
  training: Pick<TrainingConfig, 'rank' | 'targets'>,
): number {
  const width = shape.attention_head_dim * shape.num_attention_heads;
  const { double, single } = BLOCK_WIDTHS[training.targets];
  return training.rank * width * (shape.num_layers * double + shape.num_single_layers * single);
}

/** Bytes that an optimizer keeps for one LoRA weight: fp32 moments, 8 bit ones with their scales, or Prodigy's four. */
export const MOMENT_BYTES: Record<TrainingConfig['optimizer'], number> = {
  adamw: 8,
  'adamw-8bit': 2 + 8 / 256,
  prodigy: 16,
};

/** Bytes of one checkpoint: fp32 weights, the optimizer's state, and the moving average where there is one. */
export function checkpointBytes(
  parameters: number,
  training: Pick<TrainingConfig, 'ema' | 'optimizer'>,
): number {
  return Math.round(parameters * (4 + MOMENT_BYTES[training.optimizer] + (training.ema > 0 ? 4 : 0)));
}
