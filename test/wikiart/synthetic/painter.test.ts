import { describe, expect, it } from '@jest/globals';
import { describeScene } from '../../../src/wikiart/synthetic/compose.ts';
import { GENRE_NAMES, STYLE_NAMES, type StyleName } from '../../../src/wikiart/synthetic/labels.ts';
import { paint, paintSvg } from '../../../src/wikiart/synthetic/painter.ts';

const size = 96;
const picture = (seed: number, style: StyleName): Promise<Buffer> =>
  paint({ seed, style, genre: 'landscape', width: size, height: size });

interface Measured {
  /** Mean brightness step between neighbors. */
  texture: number;
  /** Mean distance of a pixel's channels. */
  chroma: number;
  /** Share of pixels that are exactly like their neighbor. */
  flat: number;
}

function measure(pixels: Buffer): Measured {
  let flat = 0;
  let texture = 0;
  let chroma = 0;
  for (let at = 0; at < pixels.length - 3; at += 3) {
    const [red, green, blue] = [pixels[at] ?? 0, pixels[at + 1] ?? 0, pixels[at + 2] ?? 0];
    texture += Math.abs(green - (pixels[at + 4] ?? 0));
    if (pixels.compare(pixels, at, at + 3, at + 3, at + 6) === 0) flat++;
    chroma += Math.max(red, green, blue) - Math.min(red, green, blue);
  }
  const count = pixels.length / 3;
  return { texture: texture / count, chroma: chroma / count, flat: flat / count };
}

async function mean(style: StyleName): Promise<Measured> {
  const measured = await Promise.all(
    [1, 2, 3, 4, 5, 6].map(async (seed) => measure(await picture(seed, style))),
  );
  const average = (name: keyof Measured): number =>
    measured.reduce((sum, one) => sum + one[name], 0) / measured.length;
  return { texture: average('texture'), chroma: average('chroma'), flat: average('flat') };
}

describe('the painter', () => {
  it('paints the same bytes for the same request', async () => {
    expect((await picture(7, 'Impressionism')).equals(await picture(7, 'Impressionism'))).toBe(true);
  });

  it('paints another picture for another seed', async () => {
    expect((await picture(7, 'Impressionism')).equals(await picture(8, 'Impressionism'))).toBe(false);
  });

  it('gives RGB pixels of the size asked for', async () => {
    const pixels = await paint({ seed: 1, style: 'Cubism', genre: 'portrait', width: 64, height: 80 });
    expect(pixels).toHaveLength(64 * 80 * 3);
  });

  it('draws every style of every genre without a number that SVG cannot hold', () => {
    for (const style of STYLE_NAMES) {
      for (const genre of GENRE_NAMES) {
        expect(paintSvg({ seed: 3, style, genre, width: 120, height: 100 })).not.toMatch(
          /NaN|undefined|Infinity/,
        );
      }
    }
  });

  it('shows the same content whatever the style, and says what it is', () => {
    expect(describeScene(40, 'landscape')).toMatch(/(river|lake|sea|field|road)/);
    expect(describeScene(40, 'portrait')).toMatch(/^a (woman|man) in /);
  });

  it('covers an impressionist picture with at least 700 separate strokes', () => {
    const svg = paintSvg({ seed: 5, style: 'Impressionism', genre: 'landscape', width: 400, height: 400 });
    expect(svg.match(/stroke-width=/g)?.length).toBeGreaterThan(700);
  });

  it('makes impressionism rougher than realism, smoother than pointillism, and less flat than ukiyo-e', async () => {
    const [impressionism, realism, ukiyo, pointillism] = await Promise.all([
      mean('Impressionism'),
      mean('Realism'),
      mean('Ukiyo_e'),
      mean('Pointillism'),
    ]);
    expect(impressionism.texture).toBeGreaterThan(1.5 * realism.texture);
    expect(ukiyo.flat).toBeGreaterThan(2 * impressionism.flat);
    expect(pointillism.texture).toBeGreaterThan(1.2 * impressionism.texture);
  });

  it('makes analytical cubism nearly colorless and fauvism loud', async () => {
    const [analytical, fauvism] = await Promise.all([mean('Analytical_Cubism'), mean('Fauvism')]);
    expect(fauvism.chroma).toBeGreaterThan(2 * analytical.chroma);
  });
});
