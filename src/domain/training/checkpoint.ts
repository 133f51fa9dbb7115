import { z } from 'zod';
import { Sha256 } from '../refs.ts';

/** Name of the adapter in checkpoints, evaluations and releases: what diffusers looks for. */
export const ADAPTER_FILE = 'pytorch_lora_weights.safetensors';

/**
 * A checkpoint folder, local or on the Hub under `checkpoints/step-00000100/`:
 * `pytorch_lora_weights.safetensors` (raw fp32 LoRA, diffusers' keys), `optimizer.safetensors` (moments), optional
 * `ema.safetensors`, `state.json` (step, micro-step, schedule, seeds, fingerprint) and, written last, `manifest.json`.
 */
export const CheckpointManifest = z.strictObject({
  format: z.literal(1),
  step: z.int().min(0),
  microStep: z.int().min(0),
  /** Fields that decide the trained bytes: config, data, base, software, device kind. */
  fingerprint: z.record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.null()])),
  heldOutLoss: z.number().nullable(),
  /** Fingerprint fields that differed at some resume and were accepted: such a training is not bit-exact. */
  acceptedDifferences: z.array(z.string()).default([]),
  files: z.array(z.strictObject({ path: z.string().min(1), bytes: z.int().min(0), sha256: Sha256 })).min(1),
});
export type CheckpointManifest = z.infer<typeof CheckpointManifest>;

/** Fields of two fingerprints that differ, in words: `software.torch: "2.13.0" -> "2.14.0"`. */
export function fingerprintDifferences(
  before: CheckpointManifest['fingerprint'],
  now: CheckpointManifest['fingerprint'],
): string[] {
  return [...new Set([...Object.keys(before), ...Object.keys(now)])]
    .filter((field) => before[field] !== now[field])
    .sort()
    .map((field) => `${field}: ${JSON.stringify(before[field])} -> ${JSON.stringify(now[field])}`);
}

/** Folder of the checkpoint of a step, inside the checkpoint repository; sorts by step. */
export function checkpointFolder(step: number): string {
  return `checkpoints/step-${String(step).padStart(8, '0')}`;
}

/** `fence.json` of a checkpoint repository: only the attempt named here may publish. */
export const Fence = z.strictObject({
  format: z.literal(1),
  /** Grows by one with every attempt that takes the repository over. */
  token: z.int().min(1),
  /** Temporal's workflow run id, activity id and attempt, for people. */
  owner: z.string(),
});
export type Fence = z.infer<typeof Fence>;
