import { THUMBNAIL_SIDE } from './likeness.ts';
import type { PerceptualHash } from './measures.ts';

const SIDE = THUMBNAIL_SIDE;
/** Coefficients a side; the constant one is left out of the comparison with the median. */
const LOW = 8;
/** Parts of every side that are cut off for the views. */
const INSETS = [0, 0.06, 0.12];

/** Cosines of the lowest frequencies at the middle of each pixel. */
const BASIS = Array.from({ length: LOW }, (_, u) =>
  Float64Array.from({ length: SIDE }, (_, x) => Math.cos(((2 * x + 1) * u * Math.PI) / (2 * SIDE))),
);

/**
 * pHash of a thumbnail, whole and with 6 % and 12 % of every side cut off: which of the lowest frequencies are stronger than
 * the median. It sees pictures in another way than the search for copies, and so may prove it wrong.
 */
export function frequencyHashes(thumbnail: string): PerceptualHash[] {
  const pixels = Float64Array.from({ length: SIDE * SIDE }, (_, at) =>
    Number.parseInt(thumbnail.slice(at * 2, at * 2 + 2), 16),
  );
  return INSETS.map((inset) => hashOf(cropped(pixels, inset)));
}

/** The inner part of a square of pixels at its size, by the nearest pixels on both sides. */
function cropped(pixels: Float64Array, inset: number): Float64Array {
  if (inset === 0) return pixels;
  const place = (at: number) =>
    Math.min(SIDE - 1.001, Math.max(0, (at + 0.5) * (1 - 2 * inset) + inset * SIDE - 0.5));
  return Float64Array.from({ length: SIDE * SIDE }, (_, at) => {
    const [x, y] = [place(at % SIDE), place(Math.floor(at / SIDE))];
    const [left, top] = [Math.floor(x), Math.floor(y)];
    const pixel = (row: number, column: number) => pixels[row * SIDE + column] as number;
    const upper = pixel(top, left) * (1 - (x - left)) + pixel(top, left + 1) * (x - left);
    const lower = pixel(top + 1, left) * (1 - (x - left)) + pixel(top + 1, left + 1) * (x - left);
    return upper * (1 - (y - top)) + lower * (y - top);
  });
}

function hashOf(pixels: Float64Array): PerceptualHash {
  const rows = BASIS.map((basis) =>
    Float64Array.from({ length: SIDE }, (_, y) => {
      let sum = 0;
      for (let x = 0; x < SIDE; x++) sum += (pixels[y * SIDE + x] as number) * (basis[x] as number);
      return sum;
    }),
  );
  const strengths = BASIS.flatMap((basis) =>
    rows.map((row) => row.reduce((sum, value, y) => sum + value * (basis[y] as number), 0)),
  );
  const median = [...strengths.slice(1)].sort((a, b) => a - b)[(strengths.length - 1) >> 1] as number;
  let hash = '';
  for (let at = 0; at < strengths.length; at += 4) {
    const bits = strengths.slice(at, at + 4).map((strength) => (strength > median ? 1 : 0));
    hash += Number.parseInt(bits.join(''), 2).toString(16);
  }
  return hash;
}
