import { type ClosePair, closePictures, groupPairs } from './duplicates.ts';
import { thumbnailOf } from './filters.ts';
import { isUnknownArtist } from './labels.ts';
import { type GiveWay, type LikeLimits, likePairs } from './likeness.ts';
import type { Candidate } from './measures.ts';
import { byRank } from './order.ts';
import { SPLITS, type Split } from './record.ts';

/**
 * How alike pictures that share a split are: far less than copies, since a false cluster costs nothing and a leak all that is
 * measured on it.
 */
export function kinLimits(nearDuplicateBits: number): LikeLimits {
  return { bits: nearDuplicateBits + 4, correlation: 0.35, anyway: nearDuplicateBits - 3 };
}

/** Bits of 64 between the proof's own hashes (pHash) up to which two pictures in different splits are a leak. */
export const LEAK_BITS = 4;

/** The wanted style's pictures, each with its split and its near-duplicate cluster. */
export interface SplitPicture {
  candidate: Candidate;
  split: Exclude<Split, 'neighbors'>;
  cluster: number;
}

/** How the pictures were dealt: `unseenArtists` have all their pictures in that one split. */
export interface SplitResult {
  pictures: SplitPicture[];
  unseenArtists: { held_out: string[]; test: string[] };
}

export interface SplitSettings {
  heldOutFraction: number;
  testFraction: number;
  nearDuplicateBits: number;
  seed: number;
}

interface Cluster {
  id: number;
  members: Candidate[];
}

type Held = 'held_out' | 'test';

/**
 * Deals pictures into train, held-out and test by near-duplicate cluster, so that no cluster crosses. About half of each
 * held split are whole artists that training never sees, the rest works of known artists; both chosen by hash.
 */
export async function splitPictures(
  candidates: readonly Candidate[],
  settings: SplitSettings,
  giveWay?: GiveWay,
): Promise<SplitResult> {
  const clusters = await clustersOf(candidates, settings.nearDuplicateBits, giveWay);
  const total = candidates.length;
  const targets: Record<Held, number> = {
    held_out: targetCount(total, settings.heldOutFraction),
    test: targetCount(total, settings.testFraction),
  };
  const dealt = new Map<number, Held>();
  const unseenArtists: Record<Held, string[]> = { held_out: [], test: [] };
  const counts: Record<Held, number> = { held_out: 0, test: 0 };
  const deal = (cluster: Cluster, split: Held): void => {
    dealt.set(cluster.id, split);
    counts[split] += cluster.members.length;
  };

  const ofArtist = clustersByArtist(clusters);
  const artists = [...ofArtist.keys()]
    .filter((artist) => !isUnknownArtist(artist))
    .sort(byRank(settings.seed, 'unseen-artist', (artist) => artist));
  const sizeOf = (artist: string): number =>
    (ofArtist.get(artist) ?? []).reduce((sum, cluster) => sum + cluster.members.length, 0);
  const isFree = (artist: string): boolean => !(ofArtist.get(artist) ?? []).some(({ id }) => dealt.has(id));
  const dealArtist = (artist: string, split: Held): void => {
    for (const cluster of ofArtist.get(artist) ?? []) deal(cluster, split);
    unseenArtists[split].push(artist);
  };
  for (const split of ['held_out', 'test'] as const) {
    for (const artist of artists)
      if (isFree(artist) && counts[split] + sizeOf(artist) <= targets[split] / 2) dealArtist(artist, split);
    if (unseenArtists[split].length > 0) continue;
    // Few artists with many pictures each: one may fill more than half of the split.
    const smallest = artists
      .filter((artist) => isFree(artist) && sizeOf(artist) <= targets[split])
      .sort((a, b) => sizeOf(a) - sizeOf(b))[0];
    if (smallest !== undefined) dealArtist(smallest, split);
  }

  const ranked = [...clusters].sort(
    byRank(settings.seed, 'split', ({ members }) => (members[0] as Candidate).pixels),
  );
  for (const split of ['held_out', 'test'] as const)
    for (const cluster of ranked)
      if (!dealt.has(cluster.id) && counts[split] + cluster.members.length <= targets[split])
        deal(cluster, split);

  const pictures = clusters.flatMap(({ id, members }) =>
    members.map((candidate) => ({ candidate, cluster: id, split: dealt.get(id) ?? ('train' as const) })),
  );
  return { pictures: pictures.sort((a, b) => a.candidate.order - b.candidate.order), unseenArtists };
}

/** Pictures that a fraction of all comes to: at least one where a fraction is asked for and two pictures are left. */
function targetCount(total: number, fraction: number): number {
  return fraction === 0 || total < 3 ? 0 : Math.max(1, Math.round(total * fraction));
}

/** Near-duplicate clusters, numbered in the order of their first pictures. */
async function clustersOf(
  candidates: readonly Candidate[],
  bits: number,
  giveWay: GiveWay | undefined,
): Promise<Cluster[]> {
  const ordered = [...candidates].sort((a, b) => a.order - b.order);
  const pairs = await likePairs(ordered.map(thumbnailOf), kinLimits(bits), giveWay);
  const groups = groupPairs(ordered.length, pairs);
  const clusters = new Map<number, Cluster>();
  ordered.forEach((candidate, at) => {
    const group = groups[at] as number;
    const cluster = clusters.get(group);
    if (cluster === undefined) clusters.set(group, { id: clusters.size, members: [candidate] });
    else cluster.members.push(candidate);
  });
  return [...clusters.values()];
}

function clustersByArtist(clusters: readonly Cluster[]): Map<string, Cluster[]> {
  const byArtist = new Map<string, Cluster[]>();
  for (const cluster of clusters)
    for (const artist of new Set(cluster.members.map((c) => c.artist))) {
      const theirs = byArtist.get(artist);
      if (theirs === undefined) byArtist.set(artist, [cluster]);
      else theirs.push(cluster);
    }
  return byArtist;
}

/** A picture as the leak proof sees it: the hashes of its views, the whole first. */
export interface HashedPicture {
  id: string;
  split: Split;
  hashes: readonly string[];
}

/** Rings, in bits, in which the closest pair is looked for; a pair further apart than the last is no leak by any measure. */
const SEARCH_RINGS = [7, 11, 15, 19];

/** The closest pair of pictures in two different splits by perceptual hash, one picture whole and any view of the other. */
export interface CrossPair {
  splits: [Split, Split];
  pair: { a: string; b: string; bits: number } | null;
}

/** For each two splits their closest pair; null when none is within 19 of 64 bits. */
export function nearestAcrossSplits(pictures: readonly HashedPicture[]): CrossPair[] {
  const found: CrossPair[] = [];
  for (const [at, first] of SPLITS.entries())
    for (const second of SPLITS.slice(at + 1)) {
      const both = pictures.filter(({ split }) => split === first || split === second);
      const crossing =
        both.some(({ split }) => split === first) && both.some(({ split }) => split === second);
      found.push({ splits: [first, second], pair: crossing ? nearestCrossSplit(both) : null });
    }
  return found;
}

/**
 * The closest pair of pictures in different splits by perceptual hash, one picture whole and any view of the other; null
 * when no such pair is within 19 of 64 bits.
 */
export function nearestCrossSplit(
  pictures: readonly HashedPicture[],
): { a: string; b: string; bits: number } | null {
  for (const ring of SEARCH_RINGS) {
    let nearest: ClosePair | null = null;
    for (const pair of closePictures(
      pictures.map((p) => p.hashes),
      ring,
    )) {
      const crosses = pictures[pair.a]?.split !== pictures[pair.b]?.split;
      if (crosses && (nearest === null || pair.bits < nearest.bits)) nearest = pair;
    }
    if (nearest !== null)
      return {
        a: (pictures[nearest.a] as HashedPicture).id,
        b: (pictures[nearest.b] as HashedPicture).id,
        bits: nearest.bits,
      };
  }
  return null;
}
