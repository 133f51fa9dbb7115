import { mkdir, open, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describeScene } from './compose.ts';
import { type GenreName, STYLE_NAMES, type StyleName } from './labels.ts';
import { paint } from './painter.ts';
import { randomFrom } from './random.ts';

/** Every style the tiny base may see: all but the one that fine-tuning has to teach. */
export const BASE_STYLES: readonly StyleName[] = STYLE_NAMES.filter((style) => style !== 'Impressionism');

/** Styles that differ enough from the others to be worth showing twice as often. */
const DISTINCT: readonly StyleName[] = [
  'Art_Nouveau',
  'Baroque',
  'Color_Field_Painting',
  'Cubism',
  'Expressionism',
  'Fauvism',
  'Minimalism',
  'Naive_Art_Primitivism',
  'Pointillism',
  'Pop_Art',
  'Post_Impressionism',
  'Realism',
  'Rococo',
  'Romanticism',
  'Symbolism',
  'Synthetic_Cubism',
  'Ukiyo_e',
];

const GENRES: readonly GenreName[] = [
  'landscape',
  'landscape',
  'landscape',
  'cityscape',
  'cityscape',
  'portrait',
  'portrait',
  'still_life',
  'still_life',
  'genre_painting',
  'genre_painting',
  'religious_painting',
  'illustration',
  'abstract_painting',
  'sketch_and_study',
];

/** Options of the tiny base's training set. */
export interface TrainingSetOptions {
  readonly seed: number;
  readonly count: number;
  /** Side of the square pictures in pixels. */
  readonly size: number;
  /** Styles to paint; defaults to every one but Impressionism, the distinct ones twice as often. */
  readonly styles?: readonly StyleName[];
}

/**
 * Paints the pictures that the tiny base learns from: `pictures.rgb` (count × size × size × 3 bytes)
 * and `pictures.jsonl` (style, genre and content a line, in the same order).
 */
export async function writeTrainingSet(folder: string, options: TrainingSetOptions): Promise<void> {
  await mkdir(folder, { recursive: true });
  const styles = options.styles ?? [...BASE_STYLES, ...DISTINCT];
  const lines: string[] = [];
  const pictures = await open(join(folder, 'pictures.rgb'), 'w');
  try {
    for (let index = 0; index < options.count; index++) {
      const style = styles[index % styles.length] as StyleName;
      const genre = randomFrom(options.seed, index, 'genre').pick(GENRES);
      const seed = options.seed * 1_000_003 + index;
      await pictures.write(await paint({ seed, style, genre, width: options.size, height: options.size }));
      lines.push(JSON.stringify({ style, genre, content: describeScene(seed, genre) }));
    }
  } finally {
    await pictures.close();
  }
  await writeFile(join(folder, 'pictures.jsonl'), `${lines.join('\n')}\n`);
}
