import type { CurvePoint } from '../../reports/figures/plots.ts';

/**
 * At most `most` points that look the same as all of them: of each stretch of steps the first, least, largest and last
 * value, so that no peak is lost.
 */
export function downsample(points: readonly CurvePoint[], most: number): CurvePoint[] {
  if (points.length <= most) return [...points];
  const stretches = Math.max(1, Math.floor(most / 4));
  const kept: CurvePoint[] = [];
  for (let i = 0; i < stretches; i++) {
    const from = Math.floor((i * points.length) / stretches);
    const to = Math.floor(((i + 1) * points.length) / stretches);
    kept.push(...corners(points.slice(from, to)));
  }
  return kept;
}

/** First, least, largest and last point of a stretch, in order and each once. */
function corners(stretch: readonly CurvePoint[]): CurvePoint[] {
  let [least, largest] = [0, 0];
  for (const [i, { value }] of stretch.entries()) {
    if (value < (stretch[least]?.value ?? 0)) least = i;
    if (value > (stretch[largest]?.value ?? 0)) largest = i;
  }
  const wanted = [...new Set([0, least, largest, stretch.length - 1])].sort((a, b) => a - b);
  return wanted.flatMap((i) => stretch[i] ?? []);
}
