/**
 * Paints a folder as people have one: pictures of one style, each with a caption of the same name.
 *
 *     node scripts/ts.mjs bench/own-pictures.ts FOLDER [PICTURES] [STYLE]
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { describeScene } from '../src/wikiart/synthetic/compose.ts';
import type { StyleName } from '../src/wikiart/synthetic/labels.ts';
import { paint } from '../src/wikiart/synthetic/painter.ts';

const [folder, pictures = '30', style = 'Impressionism'] = process.argv.slice(2);
if (folder === undefined) throw new Error('expected a folder to write, got none');
mkdirSync(folder, { recursive: true });
const genres = ['landscape', 'portrait', 'cityscape', 'still_life', 'landscape', 'genre_painting'] as const;
for (let index = 0; index < Number(pictures); index++) {
  const genre = genres[index % genres.length] ?? 'landscape';
  const [width, height] = genre === 'portrait' ? [300, 380] : [380, 300];
  const seed = 400_000 + index;
  const pixels = await paint({ seed, style: style as StyleName, genre, width, height });
  const name = `${genre}-${String(index + 1).padStart(2, '0')}`;
  await sharp(pixels, { raw: { width, height, channels: 3 } })
    .jpeg({ quality: 92 })
    .toFile(join(folder, `${name}.jpg`));
  writeFileSync(join(folder, `${name}.txt`), `${describeScene(seed, genre)}, [trigger]\n`);
}
