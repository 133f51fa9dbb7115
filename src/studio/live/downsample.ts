import type { CurvePoint } from '../../reports/figures/plots.ts';

/**
 * At most `most` points that look the same as all of them: of each segment of steps the first, least, largest and last
 * value, so that no peak is lost.
 */
export function downsample(points: readonly CurvePoint[], most: number): CurvePoint[] {
  if (points.length <= most) return [...points];
  const segments = Math.max(1, Math.floor(most / 4));
  const kept: CurvePoint[] = [];
  for (let i = 0; i < segments; i++) {
    const from = Math.floor((i * points.length) / segments);
    const to = Math.floor(((i + 1) * points.length) / segments);
    kept.push(...corners(points.slice(from, to)));
  }
  return kept;
}

/** First, least, largest and last point of a segment, in order and each once. */
function corners(segment: readonly CurvePoint[]): CurvePoint[] {
  let [least, largest] = [0, 0];
  for (const [i, { value }] of segment.entries()) {
    if (value < (segment[least]?.value ?? 0)) least = i;
    if (value > (segment[largest]?.value ?? 0)) largest = i;
  }
  const wanted = [...new Set([0, least, largest, segment.length - 1])].sort((a, b) => a - b);
  return wanted.flatMap((i) => segment[i] ?? []);
}
