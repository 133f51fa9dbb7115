import sharp from 'sharp';
import { ARTIST_NAMES, type GenreName, type StyleName } from '../../src/wikiart/synthetic/labels.ts';
import { paint } from '../../src/wikiart/synthetic/painter.ts';
import type { WikiArtRow } from '../wikiart/parquet-in-test.ts';

const SIZES = [
  [208, 176],
  [176, 224],
  [192, 192],
  [256, 176],
] as const;
const GENRES: readonly GenreName[] = ['landscape', 'cityscape', 'portrait', 'still_life'];

/** Paints a sound picture as a row of the source. */
export async function soundRow(seed: number, style: StyleName): Promise<WikiArtRow> {
  const [width, height] = SIZES[seed % SIZES.length] as (typeof SIZES)[number];
  const genre = GENRES[seed % GENRES.length] as GenreName;
  const data = await paint({ seed, style, genre, width, height });
  const bytes = await sharp(data, { raw: { width, height, channels: 3 } })
    .jpeg({ quality: 92 })
    .toBuffer();
  return { bytes, artist: ARTIST_NAMES[1 + (seed % 7)] as string, genre, style };
}

/** Rows of sound pictures, a third of them Cubism, the rest Impressionism. */
export async function soundRows(count: number, firstSeed = 1000): Promise<WikiArtRow[]> {
  const rows: WikiArtRow[] = [];
  for (let i = 0; i < count; i++)
    rows.push(await soundRow(firstSeed + i, i % 3 === 2 ? 'Cubism' : 'Impressionism'));
  return rows;
}
