/** A picture size that training uses: sides divisible by 16, area about resolution². */
export interface Bucket {
  readonly width: number;
  readonly height: number;
}

/** Most that a bucket's long side exceeds its short one; wider pictures are cropped to it. */
const WIDEST = 2.5;

/**
 * The buckets of a resolution, square first, then by growing aspect ratio, each wide one followed by its upright twin.
 * Widths step by 16 pixels at 256 and below and by more above, so that a batch can be filled from one bucket.
 */
export function bucketsFor(resolution: number): Bucket[] {
  const step = 16 * Math.max(1, Math.round(resolution / 256));
  const side = roundTo16(resolution);
  const buckets: Bucket[] = [{ width: side, height: side }];
  for (let width = side + step; ; width += step) {
    const height = roundTo16((resolution * resolution) / width);
    if (height < 16 || width / height > WIDEST) return buckets;
    buckets.push({ width, height }, { width: height, height: width });
  }
}

/** The bucket whose aspect ratio is nearest on a logarithmic scale; of two equally near, the squarer. */
export function nearestBucket(buckets: readonly Bucket[], width: number, height: number): Bucket {
  const wanted = Math.log(width / height);
  let best: Bucket | undefined;
  let bestDistance = Number.POSITIVE_INFINITY;
  for (const bucket of buckets) {
    const distance = Math.abs(Math.log(bucket.width / bucket.height) - wanted);
    if (distance < bestDistance - 1e-9) {
      best = bucket;
      bestDistance = distance;
    }
  }
  if (best === undefined) throw new RangeError('Expected at least one bucket, got none');
  return best;
}

function roundTo16(pixels: number): number {
  return Math.max(16, Math.round(pixels / 16) * 16);
}
