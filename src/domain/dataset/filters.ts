import type { DatasetConfig } from '../config/run-config.ts';
import { closePictures, hammingBits } from './duplicates.ts';
import { isUnknownArtist } from './labels.ts';
import type { Candidate, Drop, PictureMeasures, View } from './measures.ts';
import { byRank } from './order.ts';

/** A picture that a filter took out, with what it measured. */
export interface DroppedCandidate extends Drop {
  candidate: Candidate;
}

/** Pictures left after a filter and those that it took out; together they are what went in. */
export interface Filtered {
  kept: Candidate[];
  dropped: DroppedCandidate[];
}

type PictureLimits = Pick<
  DatasetConfig,
  'minShortSide' | 'maxAspectRatio' | 'minChroma' | 'minColorSpread' | 'maxLetters'
>;

/** Holds one picture against the limits that need no other picture; null: it stays. */
export function dropOf(measures: PictureMeasures, limits: PictureLimits): Drop | null {
  const [, , width, height] = measures.box;
  const shortSide = Math.min(width, height);
  if (shortSide < limits.minShortSide)
    return { reason: 'too-small', measured: shortSide, limit: limits.minShortSide };
  const aspect = Math.max(width, height) / shortSide;
  if (aspect > limits.maxAspectRatio)
    return { reason: 'aspect-ratio', measured: round(aspect), limit: limits.maxAspectRatio };
  if (measures.chroma < limits.minChroma)
    return { reason: 'grayscale', measured: round(measures.chroma), limit: limits.minChroma };
  if (measures.colorSpread < limits.minColorSpread)
    return { reason: 'scan', measured: round(measures.colorSpread), limit: limits.minColorSpread };
  if (limits.maxLetters !== null && measures.letters > limits.maxLetters)
    return { reason: 'text', measured: measures.letters, limit: limits.maxLetters };
  return null;
}

/** Of pictures with equal prepared pixels, keeps the one whose source is largest. */
export function withoutExactDuplicates(candidates: readonly Candidate[]): Filtered {
  const first = new Map<string, Candidate>();
  return partition([...candidates].sort(largestFirst), (candidate) => {
    const twin = first.get(candidate.pixels);
    if (twin !== undefined) return { reason: 'exact-duplicate', measured: twin.source, limit: null };
    first.set(candidate.pixels, candidate);
    return null;
  });
}

/** Least correlation of two luminance thumbnails that confirms what close hashes suspect. */
export const SAME_PICTURE_CORRELATION = 0.95;
/**
 * The same of what is left of them without slow changes of tone: two dark corners and a light sky make pictures alike that
 * show other things. Copies, cropped ones as well, reach 0.99, and others stay below 0.5.
 */
const SAME_DETAIL_CORRELATION = 0.75;

/**
 * Of near-duplicates keeps the one whose source is largest: a picture goes when a kept, larger one is at most `bits`
 * away by hash and looks the same by thumbnail.
 */
export function withoutNearDuplicates(candidates: readonly Candidate[], bits: number): Filtered {
  const ordered = [...candidates].sort(largestFirst);
  const closeTo = new Map<number, { other: number; bits: number }[]>();
  for (const pair of closePictures(ordered.map(hashesOf), bits)) {
    const larger = closeTo.get(pair.b) ?? [];
    larger.push({ other: pair.a, bits: pair.bits });
    closeTo.set(pair.b, larger);
  }
  const gone = new Set<number>();
  return partition(ordered, (candidate, at) => {
    for (const { other, bits: measured } of closeTo.get(at) ?? []) {
      if (gone.has(other) || !looksSame(candidate, ordered[other] as Candidate, bits)) continue;
      gone.add(at);
      return { reason: 'near-duplicate', measured, limit: bits };
    }
    return null;
  });
}

/** Fewest pictures of a genre whose sharpness says anything about an outlier. */
const FEWEST_FOR_BLUR = 20;
/** Robust standard deviations below a genre's median sharpness at which a picture counts as blurred. */
const BLUR_DEVIATIONS = 5;

/**
 * Takes out pictures that are far less sharp than their genre: brushwork looks like blur, so that no fixed limit would do.
 * Sharpness is log10, and the scale is the median absolute deviation, at least 0.06.
 */
export function withoutBlurred(candidates: readonly Candidate[]): Filtered {
  const byGenre = groupBy(candidates, (c) => c.genre);
  const limits = new Map<string, number>();
  for (const [genre, members] of byGenre) {
    if (members.length < FEWEST_FOR_BLUR) continue;
    const values = members.map((c) => c.measures.sharpness);
    const middle = median(values);
    const spread = 1.4826 * median(values.map((v) => Math.abs(v - middle)));
    limits.set(genre, middle - BLUR_DEVIATIONS * Math.max(spread, 0.06));
  }
  return partition(candidates, ({ genre, measures }) => {
    const limit = limits.get(genre);
    if (limit === undefined || measures.sharpness >= limit) return null;
    return { reason: 'blurred', measured: round(measures.sharpness), limit: round(limit) };
  });
}

/** Keeps at most `most` pictures of each artist, chosen by hash; pictures without a known artist are not capped. */
export function withinArtistCap(candidates: readonly Candidate[], most: number, seed: number): Filtered {
  const counts = new Map<string, number>();
  return partition([...candidates].sort(byRank(seed, 'artist-cap', (c) => c.pixels)), ({ artist }) => {
    if (isUnknownArtist(artist)) return null;
    const count = (counts.get(artist) ?? 0) + 1;
    counts.set(artist, count);
    return count > most ? { reason: 'artist-cap', measured: count, limit: most } : null;
  });
}

/** Keeps at most `most` pictures in all, chosen by hash; null keeps all. */
export function withinLimit(candidates: readonly Candidate[], most: number | null, seed: number): Filtered {
  if (most === null) return { kept: [...candidates], dropped: [] };
  const ordered = [...candidates].sort(byRank(seed, 'max-images', (c) => c.pixels));
  return partition(ordered, (_, at) =>
    at >= most ? { reason: 'over-limit', measured: at + 1, limit: most } : null,
  );
}

/** Every filter that compares pictures, in order: blur, duplicates, near-duplicates, artist cap, limit. */
export function chooseKept(candidates: readonly Candidate[], config: DatasetConfig, seed: number): Filtered {
  const dropped: DroppedCandidate[] = [];
  let kept = [...candidates];
  for (const filter of [
    withoutBlurred,
    withoutExactDuplicates,
    (all: Candidate[]) => withoutNearDuplicates(all, config.nearDuplicateBits),
    (all: Candidate[]) => withinArtistCap(all, config.maxPerArtist, seed),
    (all: Candidate[]) => withinLimit(all, config.maxImages, seed),
  ]) {
    const result = filter(kept);
    kept = result.kept;
    dropped.push(...result.dropped);
  }
  return { kept: kept.sort((a, b) => a.order - b.order), dropped };
}

/** Hashes of a picture's views, the whole first. */
export function hashesOf({ measures }: Candidate): string[] {
  return measures.views.map(({ hash }) => hash);
}

/** Whether one picture whole and a view of the other are at most `bits` apart and look the same by thumbnail. */
export function looksSame(a: Candidate, b: Candidate, bits: number): boolean {
  const matches = (x: View, y: View): boolean =>
    hammingBits(x.hash, y.hash) <= bits &&
    correlation(x.thumbnail, y.thumbnail) >= SAME_PICTURE_CORRELATION &&
    correlated(detailOf(bytesOf(x.thumbnail)), detailOf(bytesOf(y.thumbnail))) >= SAME_DETAIL_CORRELATION;
  const [wholeA, wholeB] = [a.measures.views[0] as View, b.measures.views[0] as View];
  return (
    b.measures.views.some((view) => matches(wholeA, view)) ||
    a.measures.views.some((view) => matches(wholeB, view))
  );
}

/** Pearson correlation of two thumbnails of two hexadecimal digits a pixel; 1 for two flat ones. */
export function correlation(a: string, b: string): number {
  return correlated(bytesOf(a), bytesOf(b));
}

/** A square of values, each without the mean of the three by three around it. */
function detailOf(values: readonly number[]): number[] {
  const side = Math.sqrt(values.length);
  const near = (at: number) => [at - 1, at, at + 1].filter((place) => place >= 0 && place < side);
  return values.map((value, at) => {
    const around = near(Math.floor(at / side)).flatMap((row) =>
      near(at % side).map((column) => values[row * side + column] as number),
    );
    return value - mean(around);
  });
}

function correlated(x: readonly number[], y: readonly number[]): number {
  const [meanX, meanY] = [mean(x), mean(y)];
  let [xy, xx, yy] = [0, 0, 0];
  for (let i = 0; i < x.length; i++) {
    const [dx, dy] = [(x[i] as number) - meanX, (y[i] as number) - meanY];
    xy += dx * dy;
    xx += dx * dx;
    yy += dy * dy;
  }
  if (xx === 0 || yy === 0) return xx === yy ? 1 : 0;
  return xy / Math.sqrt(xx * yy);
}

function partition(
  candidates: readonly Candidate[],
  decide: (candidate: Candidate, at: number) => Drop | null,
): Filtered {
  const result: Filtered = { kept: [], dropped: [] };
  candidates.forEach((candidate, at) => {
    const drop = decide(candidate, at);
    if (drop === null) result.kept.push(candidate);
    else result.dropped.push({ candidate, ...drop });
  });
  return result;
}

function largestFirst(a: Candidate, b: Candidate): number {
  return area(b) - area(a) || b.measures.encodedBytes - a.measures.encodedBytes || a.order - b.order;
}

function area({ measures }: Candidate): number {
  return measures.box[2] * measures.box[3];
}

function groupBy<T>(items: readonly T[], keyOf: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const group = groups.get(keyOf(item));
    if (group === undefined) groups.set(keyOf(item), [item]);
    else group.push(item);
  }
  return groups;
}

function bytesOf(hex: string): number[] {
  const bytes: number[] = [];
  for (let i = 0; i < hex.length; i += 2) bytes.push(Number.parseInt(hex.slice(i, i + 2), 16));
  return bytes;
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, v) => sum + v, 0) / values.length;
}

/** Middle value of a list that is not empty; the lower of two middles. */
export function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[(values.length - 1) >> 1] as number;
}

function round(value: number): number {
  return Math.round(value * 1000) / 1000;
}
