import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { allPairs, closePictures, groupPairs, indexedPairs } from '../../../src/domain/dataset/duplicates.ts';

const hash = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }).map((v) => v.toString(16).padStart(16, '0'));
/** Hashes of which many are close to one another: a few centers with some bits turned. */
const clustered = fc
  .tuple(
    fc.array(hash, { minLength: 1, maxLength: 4 }),
    fc.array(fc.tuple(fc.nat(3), fc.array(fc.nat(63), { maxLength: 9 })), { maxLength: 40 }),
  )
  .map(([centers, turned]) =>
    turned.map(([which, bits]) => {
      let value = BigInt(`0x${centers[which % centers.length]}`);
      for (const bit of bits) value ^= 1n << BigInt(bit);
      return value.toString(16).padStart(16, '0');
    }),
  );

describe('near-duplicate search', () => {
  it('finds exactly the pairs that comparing all with all finds', () => {
    fc.assert(
      fc.property(clustered, fc.nat(16), (hashes, limit) => {
        const expected = [...allPairs(hashes)].filter(({ bits }) => bits <= limit);
        expect(indexedPairs(hashes, limit)).toEqual(expected);
      }),
    );
  });

  it('leaves out pairs of which neither is a whole picture', () => {
    fc.assert(
      fc.property(clustered, fc.nat(16), fc.infiniteStream(fc.nat(1)), (hashes, limit, marks) => {
        const wholes = Uint8Array.from(hashes, () => marks.next().value);
        const expected = indexedPairs(hashes, limit).filter(({ a, b }) => wholes[a] === 1 || wholes[b] === 1);
        expect(indexedPairs(hashes, limit, wholes)).toEqual(expected);
      }),
      { numRuns: 30 },
    );
  });

  it('takes the closest views of two pictures, one of them whole', () => {
    const far = 'ffffffffffffffff';
    const views = [
      ['0000000000000000', far],
      ['00000000ffffffff', '0000000000000001'],
    ];
    expect(closePictures(views, 6)).toEqual([{ a: 0, b: 1, bits: 1 }]);
  });

  it('puts every pair into one group and nothing else together', () => {
    const edges = fc.array(fc.tuple(fc.nat(19), fc.nat(19)), { maxLength: 30 });
    fc.assert(
      fc.property(edges, (pairs) => {
        const groups = groupPairs(
          20,
          pairs.map(([a, b]) => ({ a, b })),
        );
        for (const [a, b] of pairs) expect(groups[a]).toBe(groups[b]);
        // As many groups as a search over the edges counts.
        const seen = new Set<number>();
        let components = 0;
        for (let start = 0; start < 20; start++) {
          if (seen.has(start)) continue;
          components += 1;
          const open = [start];
          for (let at = open.pop(); at !== undefined; at = open.pop()) {
            if (seen.has(at)) continue;
            seen.add(at);
            for (const [a, b] of pairs) {
              if (a === at) open.push(b);
              if (b === at) open.push(a);
            }
          }
        }
        expect(new Set(groups).size).toBe(components);
      }),
    );
  });
});
