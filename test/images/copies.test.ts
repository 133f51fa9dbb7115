import { expect, it } from '@jest/globals';
import sharp from 'sharp';
import { paint } from '../../src/wikiart/synthetic/painter.ts';
import { scoreCopies } from './copies.ts';

const GENRES = ['landscape', 'cityscape', 'portrait', 'still_life'] as const;

it('finds other reproductions of a picture, takes no other picture for one, and deals none of them into two splits', async () => {
  const originals = [];
  for (let at = 0; at < 24; at++) {
    const [width, height] = [280 + 24 * (at % 3), 264 + 16 * (at % 4)];
    const data = await paint({
      seed: 7000 + at,
      style: 'Impressionism',
      genre: GENRES[at % 4] ?? 'landscape',
      width,
      height,
    });
    const raw = { width, height, channels: 3 } as const;
    originals.push({
      name: `painting ${at}`,
      bytes: await sharp(data, { raw }).jpeg({ quality: 92 }).toBuffer(),
    });
  }
  const score = await scoreCopies(originals, 1);
  expect(score.wrong).toEqual([]);
  expect(score.recall).toBeGreaterThanOrEqual(0.85);
  expect(score.leaks).toBe(0);
});
