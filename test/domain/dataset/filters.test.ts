import { describe, expect, it } from '@jest/globals';
import { parseRunConfig } from '../../../src/domain/config/run-config.ts';
import {
  chooseKept,
  withinArtistCap,
  withinLimit,
  withoutBlurred,
  withoutNearDuplicates,
} from '../../../src/domain/dataset/filters.ts';
import { likePairs } from '../../../src/domain/dataset/likeness.ts';
import { candidateOf, partOf } from '../candidate-in-test.ts';

describe('filters', () => {
  it('keep the largest of near-duplicates and name it', async () => {
    const { kept, dropped } = await withoutNearDuplicates(
      [candidateOf(0, { look: 1, side: 200 }), candidateOf(1, { look: 1, grain: 3, side: 300 })],
      12,
    );
    expect(kept.map((c) => c.order)).toEqual([1]);
    expect(dropped).toMatchObject([
      {
        reason: 'near-duplicate',
        measured: expect.stringMatching(/^data\/train.parquet:1: \d bits, [01]/),
        limit: 12,
      },
    ]);
  });

  it('keep the smaller of two copies where the larger has a caption burnt in, or is blurred', async () => {
    for (const worse of [{ letters: 7 }, { sharpness: -1.4 }]) {
      const all = [candidateOf(0, { look: 1, side: 240 }), candidateOf(1, { look: 1, side: 700, ...worse })];
      expect((await withoutNearDuplicates(all, 12)).kept.map((c) => c.order)).toEqual([0]);
    }
  });

  it('keep a picture that is like one which itself went for a copy', async () => {
    // Two crops of one picture, left and right, are each like the whole and not like one another.
    const all = [candidateOf(0, { side: 400 }), candidateOf(1, { side: 300 }), candidateOf(2, { side: 200 })];
    for (const [at, [from, to]] of (
      [
        [0, 0.78],
        [0, 1],
        [0.22, 1],
      ] as const
    ).entries())
      (all[at] as (typeof all)[0]).measures.thumbnail = partOf(7, from, to);
    expect((await withoutNearDuplicates(all, 12)).kept.map((c) => c.order)).toEqual([0, 2]);
  });

  it('keep pictures that look different', async () => {
    const all = Array.from({ length: 40 }, (_, at) => candidateOf(at));
    expect((await withoutNearDuplicates(all, 12)).kept).toHaveLength(40);
  });

  it('cap a known artist and not an unknown one', () => {
    const all = [
      ...Array.from({ length: 5 }, (_, at) => candidateOf(at, { artist: 'monet' })),
      ...Array.from({ length: 5 }, (_, at) => candidateOf(at + 5, { artist: 'Unknown Artist' })),
    ];
    const { kept } = withinArtistCap(all, 2, 0);
    expect(kept.filter((c) => c.artist === 'monet')).toHaveLength(2);
    expect(kept.filter((c) => c.artist === 'Unknown Artist')).toHaveLength(5);
  });

  it('choose the same pictures whatever order they come in', () => {
    const all = Array.from({ length: 20 }, (_, at) => candidateOf(at));
    const orders = (list: typeof all) => withinLimit(list, 7, 3).kept.map((c) => c.order);
    expect(orders([...all].reverse())).toEqual(orders(all));
  });

  it('call a picture blurred only against its own genre', () => {
    const all = [
      ...Array.from({ length: 30 }, (_, at) => candidateOf(at, { sharpness: -0.4 + (at % 3) / 10 })),
      candidateOf(30, { sharpness: -2.4 }),
      candidateOf(31, { sharpness: -2.4, genre: 'still_life' }),
    ];
    expect(withoutBlurred(all).dropped.map((d) => d.candidate.order)).toEqual([30]);
  });

  it('keep and drop together what they were given', async () => {
    const parsed = parseRunConfig({ dataset: { maxPerArtist: 3, maxImages: 8 } });
    if (!parsed.ok) throw new Error('unexpected');
    const all = Array.from({ length: 40 }, (_, at) => candidateOf(at));
    const { kept, dropped } = await chooseKept(all, parsed.value.dataset, 0);
    const orders = [...kept.map((c) => c.order), ...dropped.map((d) => d.candidate.order)];
    expect(orders.sort((a, b) => a - b)).toEqual(all.map((c) => c.order));
    expect(kept).toHaveLength(8);
  });
});

it('comparing many pictures gives way again and again, so that signs of life go out meanwhile', async () => {
  const looks = Array.from({ length: 160 }, (_, at) => candidateOf(at).measures.thumbnail);
  let turns = 0;
  const giveWay = async () => {
    turns += 1;
  };
  const found = await likePairs(looks, { bits: 12, correlation: 0.7 }, giveWay);
  expect(turns).toBeGreaterThan(1);
  expect(found).toEqual([]);
});
