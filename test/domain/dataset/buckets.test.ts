import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { bucketsFor, nearestBucket } from '../../../src/domain/dataset/buckets.ts';
import { captionFor } from '../../../src/domain/dataset/captions.ts';

describe('buckets', () => {
  it.each([128, 512, 768, 1024])('have sides divisible by 16 and about %i² pixels', (resolution) => {
    for (const { width, height } of bucketsFor(resolution)) {
      expect([width % 16, height % 16]).toEqual([0, 0]);
      expect(Math.abs((width * height) / resolution ** 2 - 1)).toBeLessThan(0.12);
    }
  });

  it('crop an upright picture as much as the same picture lying', () => {
    const buckets = bucketsFor(512);
    const side = fc.integer({ min: 64, max: 5000 });
    fc.assert(
      fc.property(side, side, (width, height) => {
        const a = nearestBucket(buckets, width, height);
        const b = nearestBucket(buckets, height, width);
        expect([a.width, a.height]).toEqual([b.height, b.width]);
      }),
    );
  });
});

describe('captions', () => {
  it.each([
    ['landscape', 'a landscape painting, plnr'],
    ['still_life', 'a still life painting, plnr'],
    ['Unknown Genre', 'a painting, plnr'],
    ['abstract_painting', 'an abstract painting, plnr'],
    ['marina', 'a marina painting, plnr'],
  ])('say what a %s is, with the trigger at the end', (genre, caption) => {
    expect(captionFor(genre, 'plnr')).toBe(caption);
  });
});
