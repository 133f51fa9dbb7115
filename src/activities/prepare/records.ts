import type { DatasetConfig } from '../../domain/config/run-config.ts';
import { labelDoubt, nearLimit } from '../../domain/dataset/borderline.ts';
import { captionFor, mayBeMirrored } from '../../domain/dataset/captions.ts';
import type { DroppedCandidate } from '../../domain/dataset/filters.ts';
import { frequencyHashes } from '../../domain/dataset/frequency-hash.ts';
import { idOf } from '../../domain/dataset/measures.ts';
import {
  type BorderlineImage,
  DatasetRow,
  type DroppedImage,
  type MeasuredImage,
  type SplitProof,
} from '../../domain/dataset/record.ts';
import { LEAK_BITS, nearestAcrossSplits } from '../../domain/dataset/split.ts';
import { labelDoubts } from '../../domain/dataset/style.ts';
import type { AssembleInput, Placed } from './dataset-input.ts';

/** Every wanted-style row that is left out, in the source's order. */
export function droppedOf(input: AssembleInput, later: readonly DroppedCandidate[]): DroppedImage[] {
  const ordered: { order: number; image: DroppedImage }[] = [];
  for (const result of input.groups)
    for (const { kind, source, order, drop } of result.dropped)
      if (kind === 'wanted') ordered.push({ order, image: { source, ...drop } });
  for (const { candidate, reason, measured, limit } of later)
    ordered.push({ order: candidate.order, image: { source: candidate.source, reason, measured, limit } });
  ordered.sort((a, b) => a.order - b.order);
  return [
    ...ordered.map(({ image }) => image),
    ...input.plan.otherGenre.map(({ source, genre }) => ({
      source,
      reason: 'other-genre' as const,
      measured: genre,
      limit: input.config.genres.join(', '),
    })),
    ...input.plan.otherArtist.map(({ source, artist }) => ({
      source,
      reason: 'other-artist' as const,
      measured: artist,
      limit: input.config.artists.join(', '),
    })),
    ...input.plan.overLimit.map((source) => ({
      source,
      reason: 'over-limit' as const,
      measured: null,
      limit: input.config.maxImages,
    })),
  ];
}

/** Whether {@link droppedOf} has it from the plan: left out before its picture was read, so that no sheet shows it. */
export function wasPlanned({ reason, measured }: DroppedImage): boolean {
  return (
    reason === 'other-genre' || reason === 'other-artist' || (reason === 'over-limit' && measured === null)
  );
}

/** A picture's columns. */
export function rowOf({ candidate, cluster, caption }: Placed, config: DatasetConfig): DatasetRow {
  return DatasetRow.parse({
    id: idOf(candidate),
    caption: caption ?? captionFor(candidate.genre, config.trigger),
    artist: candidate.artist,
    genre: candidate.genre,
    style: candidate.style,
    width: candidate.bucket.width,
    height: candidate.bucket.height,
    flip_allowed: mayBeMirrored(candidate),
    cluster,
    source: candidate.source,
  });
}

/** A picture's line of `measures.jsonl`. */
export function measuredOf({ candidate, split }: Placed): MeasuredImage {
  const { width, height, box, chroma, brightness, sharpness, repairs } = candidate.measures;
  const { colorSpread, letters, signature } = candidate.measures;
  const shortSide = Math.min(box[2], box[3]);
  return {
    id: idOf(candidate),
    source: candidate.source,
    split,
    sourceWidth: width,
    sourceHeight: height,
    shortSide,
    aspect: Math.round((box[2] / box[3]) * 1000) / 1000,
    chroma,
    brightness,
    sharpness,
    colorSpread,
    letters,
    signature,
    hashes: frequencyHashes(candidate.measures.thumbnail),
    repairs,
  };
}

/** Log-likelihood, in nats, by which another style must fit better for a label to be doubted. */
const DOUBT_NATS = 4;

/** Kept pictures that deserve another look: label doubts first, then those that passed a filter by little. */
export function borderlineOf(placed: readonly Placed[], config: DatasetConfig): BorderlineImage[] {
  const styled = placed.map(({ candidate }) => ({
    id: idOf(candidate),
    style: candidate.style,
    features: candidate.measures.style,
  }));
  const byId = new Map(placed.map((p) => [idOf(p.candidate), p]));
  const found: BorderlineImage[] = [];
  for (const doubt of labelDoubts(styled, config.style, DOUBT_NATS)) {
    const at = byId.get(doubt.id);
    if (at !== undefined)
      found.push({
        id: doubt.id,
        source: at.candidate.source,
        split: at.split,
        ...labelDoubt(doubt, DOUBT_NATS),
      });
  }
  for (const { candidate, split } of placed) {
    if (split === 'neighbors') continue;
    const near = nearLimit(candidate, config);
    if (near !== null) found.push({ id: idOf(candidate), source: candidate.source, split, ...near });
  }
  return found;
}

/** What shows that no near-duplicate crosses from one split to another. */
export function proofOf(placed: readonly Placed[]): SplitProof {
  const splitsOf = new Map<number, Set<string>>();
  for (const { cluster, split } of placed)
    splitsOf.set(cluster, (splitsOf.get(cluster) ?? new Set()).add(split));
  const trained = new Set(placed.filter((p) => p.split === 'train').map((p) => p.candidate.artist));
  const heldOut = (split: 'held_out' | 'test') => {
    const own = placed.filter((p) => p.split === split);
    const unseen = own.filter((p) => !trained.has(p.candidate.artist));
    return {
      unseenArtists: unseen.length,
      knownArtists: own.length - unseen.length,
      artists: [...new Set(unseen.map((p) => p.candidate.artist))].sort(),
    };
  };
  return {
    format: 1,
    method:
      'pHash (64 bits of the lowest frequencies), another detector than the one that clusters were made by: one picture whole against the other whole and with 6 % and 12 % of every side cut off. It does not see larger crops, mirrored copies and details',
    limitBits: LEAK_BITS,
    clusters: splitsOf.size,
    clustersAcrossSplits: [...splitsOf.values()].filter((splits) => splits.size > 1).length,
    nearest: nearestAcrossSplits(
      placed.map(({ candidate, split }) => ({
        id: idOf(candidate),
        split,
        hashes: frequencyHashes(candidate.measures.thumbnail),
      })),
    ),
    heldOut: { held_out: heldOut('held_out'), test: heldOut('test') },
  };
}

/** The closest of all pairs across splits. */
export function closestOf(proof: SplitProof): { a: string; b: string; bits: number } | null {
  return proof.nearest.reduce<{ a: string; b: string; bits: number } | null>(
    (best, { pair }) => (pair !== null && (best === null || pair.bits < best.bits) ? pair : best),
    null,
  );
}
