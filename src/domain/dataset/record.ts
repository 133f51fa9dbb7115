import { z } from 'zod';
import { CommitSha, RepoId, Sha256 } from '../refs.ts';

/**
 * A prepared dataset repository: `data/{train,held_out,test,neighbors}-00000-of-00001.parquet` with the columns of
 * `DatasetRow` (image as struct {bytes, path}), `manifest.json` (`DatasetManifest`), `dropped.jsonl` (`DroppedImage` a
 * line), `measures.jsonl` (`MeasuredImage` a line), `borderline.jsonl` (`BorderlineImage` a line), `proof.json`
 * (`SplitProof`), `preview/{kept,dropped,borderline}.png`, plots as `preview/*.svg` and `README.md`. A large split has
 * several files, `-of-00002` and so on: read them by `data/train-*.parquet`.
 */
export const SPLITS = ['train', 'held_out', 'test', 'neighbors'] as const;
export const Split = z.enum(SPLITS);
export type Split = z.infer<typeof Split>;

/** One picture of a prepared dataset, without its bytes (PNG in column `image`). */
export const DatasetRow = z.strictObject({
  /** First 16 hexadecimal digits of the sha256 of the prepared pixels. */
  id: z.string().regex(/^[0-9a-f]{16}$/),
  caption: z.string().min(1),
  artist: z.string(),
  genre: z.string(),
  style: z.string(),
  width: z.int(),
  height: z.int(),
  /** May be mirrored: not a portrait, no text found. */
  flip_allowed: z.boolean(),
  /** Near-duplicate cluster; never in two splits. */
  cluster: z.int(),
  /** `file:row` in the source. */
  source: z.string(),
});
export type DatasetRow = z.infer<typeof DatasetRow>;

/** Why a picture was left out; counts of kept and dropped add up to the source's rows. */
export const DropReason = z.enum([
  'other-style',
  'other-genre',
  'other-artist',
  'corrupt',
  'too-many-pixels',
  'too-small',
  'aspect-ratio',
  'grayscale',
  'scan',
  'exact-duplicate',
  'near-duplicate',
  'blurred',
  'text',
  'artist-cap',
  'over-limit',
]);
export type DropReason = z.infer<typeof DropReason>;

const NONE_DROPPED = Object.fromEntries(DropReason.options.map((reason) => [reason, 0])) as Record<
  DropReason,
  number
>;

export const DroppedImage = z.strictObject({
  source: z.string(),
  reason: DropReason,
  /** The measured value that decided, such as the short side in pixels. */
  measured: z.union([z.number(), z.string()]).nullable(),
  /** The limit it was held against. */
  limit: z.union([z.number(), z.string()]).nullable(),
});
export type DroppedImage = z.infer<typeof DroppedImage>;

/** Where the captions are from, and what became of the words. */
export const ManifestCaptions = z.strictObject({
  /** Model that described pictures; null: none did. */
  model: z.strictObject({ repo: RepoId, commit: CommitSha }).nullable(),
  /** As the model's own card names it. */
  license: z.string().nullable(),
  /** Captions of the source's own: as they are, but for the trigger, or cleaned (`dataset.captions`). */
  own: z.int(),
  /** Captions with words of the model's own. */
  described: z.int(),
  /** Captions from the genre, because the source has none and the model none or none that was left. */
  fromGenre: z.int(),
  /** Captions that words of style, medium, maker or title were taken out of. */
  cleaned: z.int(),
  /** Captions whose end was cut off at what the text encoders see. */
  cut: z.int(),
});
export type ManifestCaptions = z.infer<typeof ManifestCaptions>;

/** sha256 of what a run's source and reference hold; null: the Hub does not say, or there is none. */
export const SourceContents = z.strictObject({
  source: Sha256.nullable(),
  reference: Sha256.nullable(),
});
export type SourceContents = z.infer<typeof SourceContents>;

export const DatasetManifest = z.strictObject({
  format: z.literal(1),
  /** sha256 over source commit, settings, seed and preparation version: the cache key. */
  key: Sha256,
  source: z.strictObject({ repo: RepoId, commit: CommitSha }),
  /** Where the pictures of other styles are from; absent: the source itself. They count in no `dropped`, nor in `rows`. */
  reference: z.strictObject({ repo: RepoId, commit: CommitSha }).optional(),
  settings: z.record(z.string(), z.unknown()),
  rows: z.int(),
  images: z.record(Split, z.int()),
  /** Count by reason; reasons that did not occur are 0. `other-style` is counted, not listed. */
  /** A dataset that an older version prepared knows fewer reasons. */
  dropped: z.partialRecord(DropReason, z.int()).transform((known) => ({ ...NONE_DROPPED, ...known })),
  bytesRead: z.int(),
  files: z.array(z.strictObject({ path: z.string(), bytes: z.int(), sha256: Sha256 })),
  /** Artists all of whose pictures are in that one split: works by hands that training never saw. */
  unseenArtists: z
    .strictObject({ held_out: z.array(z.string()), test: z.array(z.string()) })
    .default({ held_out: [], test: [] }),
  /** Absent where captions come from the genre. */
  captions: ManifestCaptions.optional(),
  /** Closest pair across splits by perceptual hash: the proof that nothing leaks. */
  nearestCrossSplit: z.strictObject({ a: z.string(), b: z.string(), bits: z.int() }).nullable(),
});
export type DatasetManifest = z.infer<typeof DatasetManifest>;

/** What speaks for another look at a kept picture: a line of `borderline.jsonl`. */
export const BorderlineImage = z.strictObject({
  id: DatasetRow.shape.id,
  source: z.string(),
  split: Split,
  /** The filter that it passed by little, or `label`: it looks more like another style. */
  doubt: z.enum([
    'too-small',
    'aspect-ratio',
    'grayscale',
    'scan',
    'text',
    'half-flat',
    'near-duplicate',
    'label',
  ]),
  measured: z.union([z.number(), z.string()]),
  limit: z.number(),
});
export type BorderlineImage = z.infer<typeof BorderlineImage>;

/** `proof.json`: that no near-duplicate crosses from one split to another, and whose works are held out. */
export const SplitProof = z.strictObject({
  format: z.literal(1),
  /** How distance is measured. */
  method: z.string(),
  /** Bits up to which a pair in two splits is a leak. */
  limitBits: z.int(),
  clusters: z.int(),
  clustersAcrossSplits: z.int(),
  /** For each two splits their closest pair; null when none is within 19 bits. */
  nearest: z.array(
    z.strictObject({
      splits: z.tuple([Split, Split]),
      pair: z.strictObject({ a: z.string(), b: z.string(), bits: z.int() }).nullable(),
    }),
  ),
  /** Pictures of each held split by artists whom training never sees, and by artists whom it knows. */
  heldOut: z.record(
    z.enum(['held_out', 'test']),
    z.strictObject({ unseenArtists: z.int(), knownArtists: z.int(), artists: z.array(z.string()) }),
  ),
});
export type SplitProof = z.infer<typeof SplitProof>;

/** One kept picture's measures, a line of `measures.jsonl`; sizes in source pixels. */
export const MeasuredImage = z.strictObject({
  id: DatasetRow.shape.id,
  source: z.string(),
  split: Split,
  sourceWidth: z.int(),
  sourceHeight: z.int(),
  /** Shorter side inside the frame. */
  shortSide: z.int(),
  aspect: z.number(),
  chroma: z.number(),
  brightness: z.number(),
  sharpness: z.number(),
  /** Deviation of color from one tone; letters on one line; whether something is written at the foot. */
  colorSpread: z.number(),
  letters: z.int(),
  signature: z.boolean(),
  /** pHash of the picture whole and with 6 % and 12 % of every side cut off, 16 hexadecimal digits each: the leak proof's. */
  hashes: z.array(z.string()),
  repairs: z.array(z.string()),
});
export type MeasuredImage = z.infer<typeof MeasuredImage>;
