import { z } from 'zod';
import { Sha256 } from '../refs.ts';
import { Metric } from './report.ts';

/** Held-out loss at a step, with its standard error and each picture's loss where those were measured. */
export interface LossPoint {
  step: number;
  loss: number;
  error: number | null;
  /** The same pictures in the same order at every step; empty: not measured. */
  pictures: readonly number[];
}

/** A checkpoint that was sampled, and what its pictures were like. */
export const SampledCheckpoint = z.strictObject({
  step: z.int(),
  path: z.string(),
  adapterSha256: Sha256,
  heldOutLoss: z.number().nullable(),
  /** Gain in style margin over the base. */
  style: Metric,
  /** Vendi score over the base's. */
  diversity: Metric,
  /** Rate of pictures close to a training picture. */
  copying: Metric,
});
export type SampledCheckpoint = z.infer<typeof SampledCheckpoint>;

/** Where the choice is stored in the record repository. */
export const CHOICE_FILE = 'records/checkpoints.json';

/** `records/checkpoints.json`: which checkpoint went to the gate, and why. */
export const CheckpointChoice = z.strictObject({
  format: z.literal(1),
  /** Hash of everything that decides the choice. */
  key: Sha256,
  chosen: z.int(),
  reason: z.string(),
  curve: z.array(z.strictObject({ step: z.int(), loss: z.number(), error: z.number().nullable() })),
  sampled: z.array(SampledCheckpoint),
});
export type CheckpointChoice = z.infer<typeof CheckpointChoice>;

/**
 * Steps of checkpoints whose held-out loss is within one standard error (paired) of the least, oldest first, at most `most`: the
 * earliest, the best and others evenly between, so that depth is compared with overfitting.
 */
export function nearLeast(points: readonly LossPoint[], kept: ReadonlySet<number>, most: number): number[] {
  const measured = points.filter(({ loss }) => Number.isFinite(loss));
  const held = measured.filter(({ step }) => kept.has(step));
  const [best, fallback] = [leastOf(measured), leastOf(held)];
  if (best === null || fallback === null) return [];
  const near = held
    .filter((point) => isNear(point, best))
    .map(({ step }) => step)
    .sort((a, b) => a - b);
  // The Hub let go of all that were near: the best of what it holds.
  if (near.length === 0) return [fallback.step];
  const least = fallback;
  if (near.length <= most) return near;
  const places = Array.from({ length: most }, (_, i) =>
    most === 1 ? near.indexOf(least.step) : Math.round((i * (near.length - 1)) / (most - 1)),
  );
  const picked = places.map((place) => near[place] as number);
  if (!picked.includes(least.step)) {
    // The nearest of those between gives way: the ends stay.
    const inner = most > 2 ? picked.slice(1, -1) : picked.slice(1);
    const nearest = inner.reduce((a, b) => (Math.abs(b - least.step) < Math.abs(a - least.step) ? b : a));
    picked[picked.indexOf(nearest)] = least.step;
  }
  return [...new Set(picked)].sort((a, b) => a - b);
}

/**
 * Whether a loss is within one standard error of the least, by the differences picture by picture: both were measured on
 * the same pictures and noise, so that what pictures differ by is no error of the comparison.
 */
function isNear(point: LossPoint, best: LossPoint): boolean {
  if (point.step === best.step) return true;
  const count = best.pictures.length;
  if (count < 2 || point.pictures.length !== count) return point.loss <= best.loss;
  const differences = point.pictures.map((loss, at) => loss - (best.pictures[at] as number));
  const mean = differences.reduce((a, b) => a + b, 0) / count;
  const squares = differences.reduce((sum, one) => sum + (one - mean) ** 2, 0);
  return mean <= Math.sqrt(squares / (count - 1) / count);
}

function leastOf(points: readonly LossPoint[]): LossPoint | null {
  return points.reduce<LossPoint | null>((a, b) => (a === null || b.loss < a.loss ? b : a), null);
}

/** Style × diversity × freedom from copying, 0 at worst, and the standard error that style gives it. */
export function scoreOf(checkpoint: Pick<SampledCheckpoint, 'style' | 'diversity' | 'copying'>): {
  score: number;
  error: number;
} {
  const { style, diversity, copying } = checkpoint;
  const known = [style.estimate, diversity.estimate, copying.estimate];
  if (known.some((value) => value === null || !Number.isFinite(value))) return { score: 0, error: 0 };
  const [gain, spread, close] = known as [number, number, number];
  const weight = Math.min(1, Math.max(0, spread)) * (1 - Math.min(1, Math.max(0, close)));
  // Bounds are one-sided at 95 %: 1.645 standard errors.
  const error = style.low === null ? 0 : ((gain - style.low) / 1.645) * weight;
  return { score: Math.max(0, gain) * weight, error };
}

/** The earliest checkpoint whose score is within one standard error of the best score. */
export function earliestWinner(sampled: readonly SampledCheckpoint[]): SampledCheckpoint | null {
  const scored = sampled.map((checkpoint) => ({ checkpoint, ...scoreOf(checkpoint) }));
  const best = scored.reduce<(typeof scored)[number] | null>(
    (a, b) => (a === null || b.score > a.score ? b : a),
    null,
  );
  if (best === null) return null;
  const winners = scored.filter(({ score }) => score >= best.score - best.error);
  return winners.reduce((a, b) => (b.checkpoint.step < a.checkpoint.step ? b : a)).checkpoint;
}
