import { describe, expect, it } from '@jest/globals';
import { parseRunConfig } from '../../../src/domain/config/run-config.ts';
import {
  chooseKept,
  correlation,
  withinArtistCap,
  withinLimit,
  withoutBlurred,
  withoutNearDuplicates,
} from '../../../src/domain/dataset/filters.ts';
import { candidateOf } from '../candidate-in-test.ts';

const SAME = '0123456789abcdef';
const CLOSE = '0123456789abcdee';

describe('filters', () => {
  it('keep the largest of near-duplicates and say how far apart they were', () => {
    const { kept, dropped } = withoutNearDuplicates(
      [candidateOf(0, { hash: SAME, side: 200 }), candidateOf(1, { hash: CLOSE, side: 300 })],
      6,
    );
    expect(kept.map((c) => c.order)).toEqual([1]);
    expect(dropped).toMatchObject([{ reason: 'near-duplicate', measured: 1, limit: 6 }]);
  });

  it('keep pictures whose hashes are close but that look different', () => {
    const other = candidateOf(1, { hash: CLOSE });
    other.measures.views = [{ hash: CLOSE, thumbnail: '00ff'.repeat(128) }];
    expect(withoutNearDuplicates([candidateOf(0, { hash: SAME }), other], 6).kept).toHaveLength(2);
  });

  it('keep two pictures that share the fall of light, such as two dark corners, and nothing else', () => {
    const lit = (detail: (x: number, y: number) => number) =>
      Array.from({ length: 256 }, (_, i) => {
        const [x, y] = [i % 16, i >> 4];
        return Math.round(20 + x * 7 + y * 7 + detail(x, y))
          .toString(16)
          .padStart(2, '0');
      }).join('');
    const [first, second] = [candidateOf(0, { hash: SAME }), candidateOf(1, { hash: SAME })];
    first.measures.views = [{ hash: SAME, thumbnail: lit((x, y) => ((x * 7 + y * 3) % 5) * 3) }];
    second.measures.views = [{ hash: SAME, thumbnail: lit((x, y) => ((x * 3 + y * 11) % 7) * 2) }];
    const thumbnails = [first, second].map(({ measures }) => measures.views[0]?.thumbnail ?? '');
    expect(correlation(thumbnails[0] as string, thumbnails[1] as string)).toBeGreaterThan(0.97);
    expect(withoutNearDuplicates([first, second], 6).kept).toHaveLength(2);
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
      ...Array.from({ length: 30 }, (_, at) => candidateOf(at, { sharpness: 3 + (at % 3) / 10 })),
      candidateOf(30, { sharpness: 1 }),
      candidateOf(31, { sharpness: 1, genre: 'still_life' }),
    ];
    expect(withoutBlurred(all).dropped.map((d) => d.candidate.order)).toEqual([30]);
  });

  it('keep and drop together what they were given', () => {
    const parsed = parseRunConfig({ dataset: { maxPerArtist: 3, maxImages: 8 } });
    if (!parsed.ok) throw new Error('unexpected');
    const all = Array.from({ length: 40 }, (_, at) => candidateOf(at));
    const { kept, dropped } = chooseKept(all, parsed.value.dataset, 0);
    const orders = [...kept.map((c) => c.order), ...dropped.map((d) => d.candidate.order)];
    expect(orders.sort((a, b) => a - b)).toEqual(all.map((c) => c.order));
    expect(kept).toHaveLength(8);
  });
});
