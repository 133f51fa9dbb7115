import { popcount } from './duplicates.ts';

/** Pixels a side of the luminance thumbnail that pictures are compared by; 2 hexadecimal digits a pixel, row by row. */
export const THUMBNAIL_SIDE = 32;
const SIDE = THUMBNAIL_SIDE;
/** Side of the window that two pictures are laid over one another in. */
const PATCH = 20;
/** Half a side of the square that local contrast is taken from. */
const NEAR = 2;
/** Contrast below which a place counts as flat, in steps of luma. */
const FLAT = 4;

/** Parts of a side that a reproduction may lack at either end. */
const CUTS = [0, 0.08, 0.16, 0.24];
/** Most that it lacks of a side in all. */
const MAX_CUT = 0.27;
/** Comparisons of hashes at the most: with many pictures fewer crops are looked for, the smallest first. */
const MAX_COMPARISONS = 1e9;
/** Correlation of the window where hashes meet below which a better place is not looked for. */
const WORTH_A_SEARCH = 0.25;
/** Correlation beyond which a better place is not looked for. */
const SURELY_A_COPY = 0.9;

/** Two pictures, by their places in a list, of which one looks like a part of the other. */
export interface Likeness {
  a: number;
  b: number;
  /** Of 64, between one picture and the window of the other that is nearest. */
  bits: number;
  /** Of local contrast, laid over one another as well as they go: 1 for copies. */
  correlation: number;
}

/** How alike two pictures must be to count. */
export interface LikeLimits {
  /** Bits between hashes at the most. */
  bits: number;
  correlation: number;
  /** Bits up to which the correlation does not matter; absent: it always does. */
  anyway?: number;
}

/** Lets whatever else the thread has to do have its turn: comparing thousands of pictures takes minutes. */
export type GiveWay = () => Promise<void>;
/** Comparisons of hashes between two turns: some 20 ms. */
const COMPARISONS_A_TURN = 500_000;

/**
 * Pairs of pictures of which one may be a reproduction of the other, other crop, tones, border and size allowed: a hash of one
 * picture against those of windows of the other finds them, and the correlation of local contrast at the best place confirms.
 */
export async function likePairs(
  thumbnails: readonly string[],
  limits: LikeLimits,
  giveWay?: GiveWay,
): Promise<Likeness[]> {
  const count = thumbnails.length;
  const looks = thumbnails.map(lookOf);
  const windows = WINDOWS.slice(0, Math.max(1, Math.floor(MAX_COMPARISONS / Math.max(1, count * count))));
  const hashes = looks.map((look) => hashesOf(look, windows));
  const pairs: Likeness[] = [];
  let compared = 0;
  for (let a = 0; a < count; a++) {
    compared += (count - a) * windows.length;
    if (compared > COMPARISONS_A_TURN && giveWay !== undefined) {
      await giveWay();
      compared = 0;
    }
    for (let b = a + 1; b < count; b++) {
      const near = nearestWindow(hashes, a, b);
      if (near.bits > limits.bits) continue;
      const correlation = bestCorrelation(
        looks[near.complete] as Look,
        looks[near.cut] as Look,
        windows[near.window] as Window,
      );
      if (correlation >= limits.correlation || near.bits <= (limits.anyway ?? -1))
        pairs.push({ a, b, bits: near.bits, correlation: Math.round(correlation * 1000) / 1000 });
    }
  }
  return pairs;
}

/** Parts of the sides cut off: left, top, right, bottom. */
type Window = readonly [number, number, number, number];

const WINDOWS: readonly Window[] = (() => {
  const spans = CUTS.flatMap((start) => CUTS.map((end) => [start, end] as const)).filter(
    ([start, end]) => start + end <= MAX_CUT,
  );
  const all = spans.flatMap(([left, right]) =>
    spans.map(([top, bottom]): Window => [left, top, right, bottom]),
  );
  const lost = (window: Window) => window.reduce((sum, part) => sum + part, 0);
  return all.sort((x, y) => lost(x) - lost(y));
})();

/** A thumbnail, ready to be averaged over any window: sums of all pixels above and left of each corner. */
interface Look {
  sums: Float64Array;
  /** Local contrast of the whole of it. */
  contrast: Float32Array;
}

const COMPLETE: Window = [0, 0, 0, 0];

function lookOf(thumbnail: string): Look {
  const sums = new Float64Array((SIDE + 1) * (SIDE + 1));
  for (let y = 0; y < SIDE; y++) {
    let row = 0;
    for (let x = 0; x < SIDE; x++) {
      const at = (y * SIDE + x) * 2;
      row += Number.parseInt(thumbnail.slice(at, at + 2), 16);
      sums[(y + 1) * (SIDE + 1) + x + 1] = (sums[y * (SIDE + 1) + x + 1] as number) + row;
    }
  }
  return { sums, contrast: localContrast(average(sums, COMPLETE, PATCH, PATCH)) };
}

/** Sums of pixels above a line `y` and left of each of some places along it; all may lie within pixels. */
function sumsAlong(sums: Float64Array, y: number, left: number, step: number, into: Float64Array): void {
  const top = Math.min(SIDE - 1, Math.floor(y));
  const dy = y - top;
  for (let i = 0; i < into.length; i++) {
    const x = left + step * i;
    const column = Math.min(SIDE - 1, Math.floor(x));
    const dx = x - column;
    const at = top * (SIDE + 1) + column;
    const upper = (sums[at] as number) * (1 - dx) + (sums[at + 1] as number) * dx;
    const lower = (sums[at + SIDE + 1] as number) * (1 - dx) + (sums[at + SIDE + 2] as number) * dx;
    into[i] = upper * (1 - dy) + lower * dy;
  }
}

/** Mean of each of columns × rows equal parts of a window. */
function average(sums: Float64Array, window: Window, columns: number, rows: number): Float32Array {
  const [left, top] = [window[0] * SIDE, window[1] * SIDE];
  const width = (SIDE * (1 - window[0] - window[2])) / columns;
  const height = (SIDE * (1 - window[1] - window[3])) / rows;
  const means = new Float32Array(columns * rows);
  let [above, below] = [new Float64Array(columns + 1), new Float64Array(columns + 1)];
  sumsAlong(sums, top, left, width, above);
  for (let row = 0; row < rows; row++) {
    sumsAlong(sums, top + height * (row + 1), left, width, below);
    for (let column = 0; column < columns; column++)
      means[row * columns + column] =
        ((below[column + 1] as number) -
          (below[column] as number) -
          (above[column + 1] as number) +
          (above[column] as number)) /
        (width * height);
    [above, below] = [below, above];
  }
  return means;
}

/** dHash of each window as two words: a bit is set where a pixel of a 9 × 8 average is darker than its right neighbor. */
function hashesOf({ sums }: Look, windows: readonly Window[]): Uint32Array {
  const words = new Uint32Array(windows.length * 2);
  for (const [at, window] of windows.entries()) {
    const small = average(sums, window, 9, 8);
    for (let bit = 0; bit < 64; bit++) {
      const place = Math.floor(bit / 8) * 9 + (bit % 8);
      if ((small[place] as number) < (small[place + 1] as number))
        words[at * 2 + (bit >> 5)] = ((words[at * 2 + (bit >> 5)] as number) | (1 << (bit & 31))) >>> 0;
    }
  }
  return words;
}

function nearestWindow(
  hashes: readonly Uint32Array[],
  a: number,
  b: number,
): { bits: number; window: number; complete: number; cut: number } {
  const [first, second] = [hashes[a] as Uint32Array, hashes[b] as Uint32Array];
  const [high, low, otherHigh, otherLow] = [first[0], first[1], second[0], second[1]] as number[];
  let [best, window, isBack] = [65, 0, false];
  for (let at = 0; at < second.length; at += 2) {
    const bits =
      popcount((high as number) ^ (second[at] as number)) +
      popcount((low as number) ^ (second[at + 1] as number));
    if (bits < best) [best, window, isBack] = [bits, at >> 1, false];
    const back =
      popcount((otherHigh as number) ^ (first[at] as number)) +
      popcount((otherLow as number) ^ (first[at + 1] as number));
    if (back < best) [best, window, isBack] = [back, at >> 1, true];
  }
  return { bits: best, window, complete: isBack ? b : a, cut: isBack ? a : b };
}

/** Highest correlation of one picture with a window of the other, from where the hashes met by small moves of each side. */
function bestCorrelation(complete: Look, cut: Look, start: Window): number {
  const score = (window: Window) =>
    correlationOf(complete.contrast, localContrast(average(cut.sums, window, PATCH, PATCH)));
  let best = { window: start, score: score(start) };
  const isSettled = (score: number) => score < WORTH_A_SEARCH || score > SURELY_A_COPY;
  if (isSettled(best.score)) return best.score;
  for (const step of [0.04, 0.02, 0.01])
    for (let moved = true; moved && !isSettled(best.score); ) {
      moved = false;
      for (const side of [0, 1, 2, 3] as const)
        for (const by of [-step, step]) {
          const window = best.window.map((part, at) => (at === side ? part + by : part)) as unknown as Window;
          if (window.some((part) => part < 0 || part > MAX_CUT + 0.06)) continue;
          const found = score(window);
          if (found > best.score + 1e-4) {
            best = { window, score: found };
            moved = true;
          }
        }
    }
  return best.score;
}

/** Corner sums of a patch and of its squares, reused: this is the innermost work of every comparison. */
const EDGE = PATCH + 1;
const valueSums = new Float64Array(EDGE * EDGE);
const squareSums = new Float64Array(EDGE * EDGE);

/** Each value less the mean around it, in units of the contrast around it: the same under any smooth curve of tones. */
function localContrast(values: Float32Array): Float32Array {
  for (let y = 0; y < PATCH; y++) {
    let [row, squares] = [0, 0];
    for (let x = 0; x < PATCH; x++) {
      const value = values[y * PATCH + x] as number;
      row += value;
      squares += value * value;
      const at = (y + 1) * EDGE + x + 1;
      valueSums[at] = (valueSums[at - EDGE] as number) + row;
      squareSums[at] = (squareSums[at - EDGE] as number) + squares;
    }
  }
  const result = new Float32Array(PATCH * PATCH);
  for (let y = 0; y < PATCH; y++) {
    const [top, bottom] = [Math.max(0, y - NEAR) * EDGE, Math.min(PATCH, y + NEAR + 1) * EDGE];
    for (let x = 0; x < PATCH; x++) {
      const [left, right] = [Math.max(0, x - NEAR), Math.min(PATCH, x + NEAR + 1)];
      const count = ((bottom - top) / EDGE) * (right - left);
      const inside = (sums: Float64Array) =>
        (sums[bottom + right] as number) -
        (sums[top + right] as number) -
        (sums[bottom + left] as number) +
        (sums[top + left] as number);
      const mean = inside(valueSums) / count;
      const contrast = Math.sqrt(Math.max(0, inside(squareSums) / count - mean * mean));
      result[y * PATCH + x] = ((values[y * PATCH + x] as number) - mean) / (FLAT + contrast);
    }
  }
  return result;
}

/** Pearson correlation; 1 for two flat ones. */
function correlationOf(x: Float32Array, y: Float32Array): number {
  const [meanX, meanY] = [meanOf(x), meanOf(y)];
  let [xy, xx, yy] = [0, 0, 0];
  for (let i = 0; i < x.length; i++) {
    const [dx, dy] = [(x[i] as number) - meanX, (y[i] as number) - meanY];
    xy += dx * dy;
    xx += dx * dx;
    yy += dy * dy;
  }
  // Rounding leaves flat pictures a variance of next to nothing.
  if (xx < 1e-6 || yy < 1e-6) return xx < 1e-6 && yy < 1e-6 ? 1 : 0;
  return xy / Math.sqrt(xx * yy);
}

function meanOf(values: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i] as number;
  return sum / values.length;
}
