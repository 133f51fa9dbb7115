import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { ARTIST_NAMES, GENRE_NAMES, STYLE_NAMES } from '../../../src/wikiart/synthetic/labels.ts';
import { planRows, USUAL_DEFECTS } from '../../../src/wikiart/synthetic/plan.ts';

const rows = planRows({ seed: 1874, images: 600 });
const impressionist = rows.filter((row) => row.style === 'Impressionism');

describe('the plan of the generated WikiArt', () => {
  it('numbers styles and genres as huggan/wikiart does', () => {
    expect(STYLE_NAMES).toHaveLength(27);
    expect(STYLE_NAMES.indexOf('Impressionism')).toBe(12);
    expect(STYLE_NAMES.indexOf('Post_Impressionism')).toBe(20);
    expect(GENRE_NAMES).toHaveLength(11);
    expect(GENRE_NAMES.indexOf('landscape')).toBe(4);
  });

  it('makes some 260 of 600 pictures impressionist, by at least 12 artists in at least 5 genres', () => {
    expect(impressionist.length).toBeGreaterThan(240);
    expect(impressionist.length).toBeLessThan(280);
    expect(new Set(impressionist.map((row) => row.artist)).size).toBeGreaterThanOrEqual(12);
    expect(new Set(impressionist.map((row) => row.genre)).size).toBeGreaterThanOrEqual(5);
  });

  it('plants every defect, most of them in the style that is wanted', () => {
    const planted = rows.filter((row) => row.defect !== null);
    expect(new Set(planted.map((row) => row.defect))).toEqual(new Set(USUAL_DEFECTS));
    const inWanted = planted.filter((row) => row.style === 'Impressionism');
    expect(inWanted.length / planted.length).toBeGreaterThan(0.6);
  });

  it('leaves the original of every duplicate clean', () => {
    const copies = rows.filter((row) => row.copyOf !== null);
    expect(copies.length).toBeGreaterThanOrEqual(15);
    for (const copy of copies) {
      const original = rows[copy.copyOf as number];
      expect(original?.defect).toBeNull();
      expect(original?.seed).toBe(copy.seed);
    }
  });

  it('names nobody who could be real', () => {
    for (const name of ARTIST_NAMES.slice(1)) expect(name).toMatch(/^generated-artist-\d{3}$/);
  });

  it('gives each row labels that exist and a size worth training on, whatever the seed', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 1e6 }), fc.integer({ min: 1, max: 120 }), (seed, images) => {
        const planned = planRows({ seed, images });
        expect(planned.map((row) => row.index)).toEqual([...Array(images).keys()]);
        for (const row of planned) {
          expect(ARTIST_NAMES[row.artist]).toBeDefined();
          expect(Math.min(row.width, row.height)).toBeGreaterThanOrEqual(240);
          expect(row.paintedStyle === row.style).toBe(row.defect !== 'mislabeled');
        }
      }),
      { numRuns: 30 },
    );
  });
});
