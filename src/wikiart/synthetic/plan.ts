import { ARTIST_COUNT, ARTIST_NAMES, type GenreName, type StyleName } from './labels.ts';
import { type Random, randomFrom } from './random.ts';

/** Faults that the real set has, planted on purpose in every generated set. */
export const USUAL_DEFECTS = [
  'corrupt',
  'truncated',
  'exact-duplicate',
  'near-duplicate-reencoded',
  'near-duplicate-cropped',
  'near-duplicate-resized',
  'tiny',
  'grayscale',
  'framed',
  'exif-rotated',
  'cmyk',
  'alpha',
  'mislabeled',
] as const;

/** Further faults, planted where they are asked for: what filters and repairs are measured on. */
export const FURTHER_DEFECTS = [
  'blurred',
  'lettering',
  'scan',
  'strip',
  'signature',
  'sixteen-bit',
  'color-profile',
] as const;

export const DEFECTS = [...USUAL_DEFECTS, ...FURTHER_DEFECTS] as const;

/** One kind of planted fault. */
export type Defect = (typeof DEFECTS)[number];

/** How many of 600 rows have each fault. */
const OF_600: Record<Defect, number> = {
  corrupt: 5,
  truncated: 5,
  'exact-duplicate': 6,
  'near-duplicate-reencoded': 5,
  'near-duplicate-cropped': 5,
  'near-duplicate-resized': 5,
  tiny: 6,
  grayscale: 6,
  framed: 8,
  'exif-rotated': 8,
  cmyk: 6,
  alpha: 6,
  mislabeled: 5,
  blurred: 6,
  lettering: 8,
  scan: 6,
  strip: 4,
  signature: 8,
  'sixteen-bit': 4,
  'color-profile': 4,
};

/** One row before it is painted: what its labels say, what is really painted, and what is wrong with it. */
export interface PlannedRow {
  readonly index: number;
  readonly seed: number;
  /** The label. */
  readonly style: StyleName;
  /** What the picture is painted in; differs from `style` in mislabeled rows only. */
  readonly paintedStyle: StyleName;
  readonly genre: GenreName;
  /** Index into ARTIST_NAMES. */
  readonly artist: number;
  readonly width: number;
  readonly height: number;
  readonly defect: Defect | null;
  /** Row that a duplicate copies. */
  readonly copyOf: number | null;
}

/** Share of rows that are Impressionism, the style that fine-tuning wants. */
const IMPRESSIONIST_SHARE = 0.44;
const OTHER_STYLES: readonly StyleName[] = [
  'Cubism',
  'Realism',
  'Ukiyo_e',
  'Post_Impressionism',
  'Romanticism',
  'Expressionism',
  'Pointillism',
  'Minimalism',
  'Baroque',
  'Fauvism',
  'Symbolism',
  'Pop_Art',
  'Rococo',
  'Color_Field_Painting',
  'Synthetic_Cubism',
  'Naive_Art_Primitivism',
  'Art_Nouveau',
];
const GENRES: readonly GenreName[] = [
  ...Array<GenreName>(9).fill('landscape'),
  ...Array<GenreName>(3).fill('cityscape'),
  ...Array<GenreName>(3).fill('portrait'),
  ...Array<GenreName>(2).fill('still_life'),
  ...Array<GenreName>(2).fill('genre_painting'),
  'Unknown Genre',
];
const IMPRESSIONISTS = 20;

/** What is planned: `defects` are the kinds of fault planted, by default the usual ones. */
export interface PlanOptions {
  seed: number;
  images: number;
  defects?: readonly Defect[];
}

/** Plans every row of the generated WikiArt; pure, so the truth about it can be stated without painting. */
export function planRows(options: PlanOptions): PlannedRow[] {
  const rows = Array.from({ length: options.images }, (_, index) => cleanRow(options, index));
  const random = randomFrom(options.seed, 'defects');
  const free = new Set(rows.map(({ index }) => index));
  for (const defect of options.defects ?? USUAL_DEFECTS) {
    const count = Math.round((OF_600[defect] * options.images) / 600);
    for (let planted = 0; planted < count; planted++) plant(rows, { free, defect, random });
  }
  return rows;
}

function cleanRow(options: { seed: number; images: number }, index: number): PlannedRow {
  const random = randomFrom(options.seed, index, 'row');
  // Spread evenly, so that every row group holds some of the wanted style.
  const wanted = Math.floor((index + 1) * IMPRESSIONIST_SHARE) > Math.floor(index * IMPRESSIONIST_SHARE);
  const style = wanted ? 'Impressionism' : random.pick(OTHER_STYLES);
  const genre = random.pick(GENRES);
  const short = random.integer(240, 380);
  const long = Math.round(short * random.between(1, genre === 'portrait' ? 1.35 : 1.55));
  const upright = genre === 'portrait' || (genre === 'still_life' && random.chance(0.5));
  return {
    index,
    seed: options.seed * 100_003 + index,
    style,
    paintedStyle: style,
    genre,
    artist: artistOf(style, random),
    width: upright ? short : long,
    height: upright ? long : short,
    defect: null,
    copyOf: null,
  };
}

/** Impressionists are artists 1 to 20, the early ones more productive; the other styles share the rest. */
function artistOf(style: StyleName, random: Random): number {
  if (random.chance(0.06)) return ARTIST_NAMES.indexOf('Unknown Artist');
  if (style === 'Impressionism') return 1 + Math.floor(IMPRESSIONISTS * random.next() ** 1.4);
  const school = OTHER_STYLES.indexOf(style) % ((ARTIST_COUNT - IMPRESSIONISTS) / 2);
  return 1 + IMPRESSIONISTS + 2 * school + random.integer(0, 1);
}

function plant(rows: PlannedRow[], tools: { free: Set<number>; defect: Defect; random: Random }): void {
  const { free, defect, random } = tools;
  const wanted = random.chance(0.8);
  const candidates = [...free].filter((index) => (rows[index]?.style === 'Impressionism') === wanted);
  if (candidates.length < 2) return;
  const index = random.pick(candidates);
  const row = rows[index] as PlannedRow;
  free.delete(index);
  if (defect === 'mislabeled') {
    const paintedStyle =
      row.style === 'Impressionism'
        ? random.pick(['Cubism', 'Ukiyo_e', 'Baroque'] as const)
        : 'Impressionism';
    rows[index] = { ...row, paintedStyle, defect };
  } else if (defect === 'exact-duplicate' || defect.startsWith('near-duplicate')) {
    const original = rows[random.pick(candidates.filter((other) => other !== index))] as PlannedRow;
    // The original stays clean, so that one good picture of each pair is there to keep.
    free.delete(original.index);
    const { width, height, seed, genre, style, paintedStyle, artist } = original;
    rows[index] = {
      ...row,
      width,
      height,
      seed,
      genre,
      style,
      paintedStyle,
      artist,
      defect,
      copyOf: original.index,
    };
  } else rows[index] = { ...row, defect };
}
