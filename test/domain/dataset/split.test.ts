import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { withoutNearDuplicates } from '../../../src/domain/dataset/filters.ts';
import { frequencyHashes } from '../../../src/domain/dataset/frequency-hash.ts';
import { LEAK_BITS, nearestCrossSplit, splitPictures } from '../../../src/domain/dataset/split.ts';
import { blended, candidateOf } from '../candidate-in-test.ts';

const settings = { heldOutFraction: 0.2, testFraction: 0.1, nearDuplicateBits: 12, seed: 0 };
/** Pictures by a few artists, some of them close to one another. */
const pictures = fc.array(fc.tuple(fc.nat(7), fc.nat(30), fc.nat(2)), { maxLength: 12 }).map((list) =>
  list.map(([artist, scene, turn], at) =>
    candidateOf(at, {
      artist: artist === 0 ? 'Unknown Artist' : `artist-${artist}`,
      look: scene,
      grain: turn * 3,
    }),
  ),
);

describe('split', () => {
  it('deals every picture once', async () => {
    await fc.assert(
      fc.asyncProperty(pictures, fc.nat(9), async (all, seed) => {
        const dealt = (await splitPictures(all, { ...settings, seed })).pictures.map(
          (p) => p.candidate.order,
        );
        expect(dealt).toEqual(all.map((c) => c.order));
      }),
      { numRuns: 8 },
    );
  });

  it('lets no near-duplicate cluster cross', async () => {
    await fc.assert(
      fc.asyncProperty(pictures, fc.nat(9), async (all, seed) => {
        const dealt = (await splitPictures(all, { ...settings, seed })).pictures;
        const splits = new Map<number, Set<string>>();
        for (const { cluster, split } of dealt)
          splits.set(cluster, (splits.get(cluster) ?? new Set()).add(split));
        for (const set of splits.values()) expect(set.size).toBe(1);
        const nearest = nearestCrossSplit(
          dealt.map(({ candidate, split }) => ({
            id: candidate.source,
            split,
            hashes: frequencyHashes(candidate.measures.thumbnail),
          })),
        );
        expect(nearest?.bits ?? 64).toBeGreaterThan(LEAK_BITS);
      }),
      { numRuns: 8 },
    );
  });

  it('keeps pictures together that are alike, though they are no copies', async () => {
    const all = Array.from({ length: 30 }, (_, at) => candidateOf(at, { artist: '' }));
    const [one, other] = [all[0], all[1]] as [(typeof all)[0], (typeof all)[0]];
    other.measures.thumbnail = blended(one.measures.thumbnail, other.measures.thumbnail, 0.6);
    expect((await withoutNearDuplicates(all, 12)).dropped).toEqual([]);
    const dealt = (await splitPictures(all, settings)).pictures;
    expect(dealt[1]?.cluster).toBe(dealt[0]?.cluster);
    expect(new Set(dealt.map((p) => p.cluster)).size).toBe(29);
  });

  it('keeps every unseen artist in one split', async () => {
    await fc.assert(
      fc.asyncProperty(pictures, fc.nat(9), async (all, seed) => {
        const result = await splitPictures(all, { ...settings, seed });
        for (const split of ['held_out', 'test'] as const)
          for (const artist of result.unseenArtists[split])
            for (const picture of result.pictures)
              if (picture.candidate.artist === artist) expect(picture.split).toBe(split);
      }),
      { numRuns: 8 },
    );
  });

  it('never holds out more than was asked for, nor the work of an unknown artist as an unseen one', async () => {
    await fc.assert(
      fc.asyncProperty(pictures, async (all) => {
        const result = await splitPictures(all, settings);
        const count = (split: string) => result.pictures.filter((p) => p.split === split).length;
        expect(count('held_out')).toBeLessThanOrEqual(Math.max(1, Math.round(all.length * 0.2)));
        expect(count('test')).toBeLessThanOrEqual(Math.max(1, Math.round(all.length * 0.1)));
        expect([...result.unseenArtists.held_out, ...result.unseenArtists.test]).not.toContain(
          'Unknown Artist',
        );
      }),
      { numRuns: 8 },
    );
  });

  it('comes near the fractions where pictures are distinct', async () => {
    const all = Array.from({ length: 100 }, (_, at) => candidateOf(at, { artist: `artist-${at % 25}` }));
    const { pictures: dealt, unseenArtists } = await splitPictures(all, settings);
    expect(dealt.filter((p) => p.split === 'held_out').length).toBe(20);
    expect(dealt.filter((p) => p.split === 'test').length).toBe(10);
    expect(unseenArtists.held_out.length).toBeGreaterThan(0);
  });
});
