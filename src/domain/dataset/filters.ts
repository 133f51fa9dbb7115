import type { DatasetConfig } from '../config/run-config.ts';
import { isUnknownArtist } from './labels.ts';
import { type GiveWay, type Likeness, likePairs } from './likeness.ts';
import type { Candidate, Drop, PictureMeasures } from './measures.ts';
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

/** Of pictures with equal prepared pixels, keeps the best source. */
export function withoutExactDuplicates(candidates: readonly Candidate[]): Filtered {
  const first = new Map<string, Candidate>();
  return partition([...candidates].sort(bestFirst), (candidate) => {
    const twin = first.get(candidate.pixels);
    if (twin !== undefined) return { reason: 'exact-duplicate', measured: twin.source, limit: null };
    first.set(candidate.pixels, candidate);
    return null;
  });
}

/** Correlation of local contrast from which on two pictures whose hashes are close count as copies. */
export const COPY_CORRELATION = 0.7;

/**
 * Of near-duplicates keeps the better one: a picture goes when it is like a kept, better one, which is named with the bits
 * between their hashes and how well they correlate.
 */
export async function withoutNearDuplicates(
  candidates: readonly Candidate[],
  bits: number,
  giveWay?: GiveWay,
): Promise<Filtered> {
  const ordered = [...candidates].sort(bestFirst);
  const likeBetter = new Map<number, Likeness[]>();
  const limits = { bits, correlation: COPY_CORRELATION };
  for (const pair of await likePairs(ordered.map(thumbnailOf), limits, giveWay))
    likeBetter.set(pair.b, [...(likeBetter.get(pair.b) ?? []), pair]);
  const gone = new Set<number>();
  return partition(ordered, (_, at) => {
    for (const { a, bits: measured, correlation } of likeBetter.get(at) ?? []) {
      if (gone.has(a)) continue;
      gone.add(at);
      const twin = (ordered[a] as Candidate).source;
      return { reason: 'near-duplicate', measured: `${twin}: ${measured} bits, ${correlation}`, limit: bits };
    }
    return null;
  });
}

/** Fewest pictures of a genre whose sharpness says anything about an outlier. */
const MIN_FOR_BLUR = 20;
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
    if (members.length < MIN_FOR_BLUR) continue;
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
export async function chooseKept(
  candidates: readonly Candidate[],
  config: DatasetConfig,
  seed: number,
  giveWay?: GiveWay,
): Promise<Filtered> {
  const dropped: DroppedCandidate[] = [];
  let kept = [...candidates];
  for (const filter of [
    withoutBlurred,
    withoutExactDuplicates,
    (all: Candidate[]) => withoutNearDuplicates(all, config.nearDuplicateBits, giveWay),
    (all: Candidate[]) => withinArtistCap(all, config.maxPerArtist, seed),
    (all: Candidate[]) => withinLimit(all, config.maxImages, seed),
  ]) {
    const result = await filter(kept);
    kept = result.kept;
    dropped.push(...result.dropped);
  }
  return { kept: kept.sort((a, b) => a.order - b.order), dropped };
}

/** What a picture is compared with others by. */
export function thumbnailOf({ measures }: Candidate): string {
  return measures.thumbnail;
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

/** Letters on a line from which on a caption is burnt in, and how much larger such a copy must be to be the better one. */
const BURNT_IN = 4;
const BURNT_IN_COSTS = 16;

/** The better of two copies first: the larger one, but for a caption burnt in and for blur. */
function bestFirst(a: Candidate, b: Candidate): number {
  return worth(b) - worth(a) || b.measures.encodedBytes - a.measures.encodedBytes || a.order - b.order;
}

/** Pixels that a copy is worth: a caption burnt in costs most of them, and blur as many as it hides. */
function worth(candidate: Candidate): number {
  const { letters, sharpness } = candidate.measures;
  const blur = Math.min(1, 10 ** (2 * (sharpness + BLURRED)));
  return (area(candidate) * blur) / (letters >= BURNT_IN ? BURNT_IN_COSTS : 1);
}

/** Sharpness (log10, negated) below which a copy has less detail than its size says. */
const BLURRED = 0.7;

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

/** Middle value of a list that is not empty; the lower of two middles. */
export function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[(values.length - 1) >> 1] as number;
}

function round(value: number): number {
  return Math.round(value * 1000) / 1000;
}
