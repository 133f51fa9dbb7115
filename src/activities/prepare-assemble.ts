import { mkdir, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { captionFor, mayBeMirrored } from '../domain/dataset-captions.ts';
import { closePictures } from '../domain/dataset-duplicates.ts';
import { chooseKept, type DroppedCandidate, hashesOf } from '../domain/dataset-filters.ts';
import type { Candidate } from '../domain/dataset-measures.ts';
import { byRank, compareText } from '../domain/dataset-order.ts';
import type { ReadPlan } from '../domain/dataset-plan.ts';
import {
  DatasetManifest,
  DatasetRow,
  type DroppedImage,
  DropReason,
  type MeasuredImage,
  SPLITS,
  type Split,
} from '../domain/dataset-record.ts';
import { CLUSTER_MARGIN_BITS, nearestCrossSplit, splitPictures } from '../domain/dataset-split.ts';
import type { Sha256 } from '../domain/refs.ts';
import type { DatasetConfig } from '../domain/run-config.ts';
import { sha256OfFile } from '../hub/hashing.ts';
import { contactSheet, type SheetCell } from '../images/contact-sheet.ts';
import { datasetCard } from '../wikiart/dataset-card.ts';
import { filesOf, type RowToWrite, writeDatasetParquet } from '../wikiart/dataset-parquet.ts';
import type { Source } from '../wikiart/label-pass.ts';
import type { GroupResult, PrepareStore, Slice } from './prepare-store.ts';

/** All that the dataset's files are made from. */
export interface AssembleInput {
  key: Sha256;
  settings: Record<string, unknown>;
  config: DatasetConfig;
  seed: number;
  source: Source;
  plan: ReadPlan;
  /** Results of every row group of the plan. */
  groups: GroupResult[];
  bytesRead: number;
  store: PrepareStore;
  /** Folder for the files; emptied first. */
  out: string;
  onGroup(): void;
}

/** The files of a prepared dataset on the local disk, and its manifest. */
export interface Assembled {
  manifest: DatasetManifest;
  files: { path: string; file: string }[];
}

interface Placed {
  candidate: Candidate;
  split: Split;
  cluster: number;
  pack: string;
  png: Slice;
}

/** Compares all pictures, deals them into splits and writes the dataset; the same input gives the same bytes. */
export async function assemble(input: AssembleInput): Promise<Assembled> {
  const where = new Map<string, { pack: string; png: Slice }>();
  const wanted: Candidate[] = [];
  const neighbours: Candidate[] = [];
  for (const result of input.groups)
    for (const { kind, candidate, png } of result.candidates) {
      where.set(candidate.source, { pack: result.pack, png });
      (kind === 'wanted' ? wanted : neighbours).push(candidate);
    }
  const chosen = chooseKept(wanted, input.config, input.seed);
  const dealt = splitPictures(chosen.kept, { ...input.config, seed: input.seed });
  const firstFree = dealt.pictures.reduce((next, { cluster }) => Math.max(next, cluster + 1), 0);
  const others = chooseNeighbours(neighbours, chosen.kept, input.config, input.seed);
  const placed: Placed[] = [
    ...dealt.pictures,
    ...others.map((candidate, at) => ({ candidate, split: 'neighbours' as const, cluster: firstFree + at })),
  ].map((picture) => ({
    ...picture,
    ...(where.get(picture.candidate.source) as { pack: string; png: Slice }),
  }));

  const dropped = droppedOf(input, chosen.dropped);
  const counts = Object.fromEntries(DropReason.options.map((reason) => [reason, 0])) as Record<
    DropReason,
    number
  >;
  for (const { reason } of dropped) counts[reason] += 1;
  counts['other-style'] = input.plan.otherStyle - others.length;

  await rm(input.out, { recursive: true, force: true });
  await mkdir(join(input.out, 'data'), { recursive: true });
  await mkdir(join(input.out, 'preview'), { recursive: true });
  const paths: string[] = [];
  for (const split of SPLITS) paths.push(...(await writeSplit(input, split, placed)));
  const put = async (path: string, content: string | Buffer): Promise<void> => {
    await writeFile(join(input.out, path), content);
    paths.push(path);
  };
  await put('dropped.jsonl', lines(dropped));
  await put('measures.jsonl', lines(placed.map(measuredOf)));
  const keptSheet = await sheetOfKept(input, placed);
  if (keptSheet !== null) await put('preview/kept.png', keptSheet);
  const droppedSheet = await sheetOfDropped(input, chosen.dropped, where);
  if (droppedSheet !== null) await put('preview/dropped.png', droppedSheet.png);

  const facts: Omit<DatasetManifest, 'files'> = {
    format: 1,
    key: input.key,
    source: { repo: input.source.at.repo, commit: input.source.at.commit },
    settings: input.settings,
    rows: input.plan.rows,
    images: Object.fromEntries(
      SPLITS.map((split) => [split, placed.filter((p) => p.split === split).length]),
    ) as Record<Split, number>,
    dropped: counts,
    bytesRead: input.bytesRead,
    unseenArtists: dealt.unseenArtists,
    nearestCrossSplit: nearestCrossSplit(
      placed.map(({ candidate, split }) => ({ id: idOf(candidate), split, hashes: hashesOf(candidate) })),
    ),
  };
  const captions = placed.filter((p) => p.split === 'train').map((p) => rowOf(p, input.config).caption);
  await put(
    'README.md',
    datasetCard({
      manifest: facts,
      sourceCard: input.source.card,
      style: input.config.style,
      trigger: input.config.trigger,
      captions: [...new Set(captions)].sort(compareText).slice(0, 8),
      bands: droppedSheet?.bands ?? [],
      hasKeptSheet: keptSheet !== null,
    }),
  );
  const described = [];
  for (const path of paths) {
    const file = join(input.out, path);
    described.push({ path, bytes: (await stat(file)).size, sha256: await sha256OfFile(file) });
  }
  const manifest = DatasetManifest.parse({ ...facts, files: described });
  await put('manifest.json', `${JSON.stringify(manifest, null, 2)}\n`);
  return { manifest, files: paths.map((path) => ({ path, file: join(input.out, path) })) };
}

/** Neighbours per style by hash, none of them close to a kept picture or to another neighbour. */
function chooseNeighbours(
  candidates: readonly Candidate[],
  kept: readonly Candidate[],
  config: DatasetConfig,
  seed: number,
): Candidate[] {
  const ranked = [...candidates].sort(byRank(seed, 'neighbour', (c) => c.source));
  const all = [...kept, ...ranked];
  const taken = new Set(kept.map((_, at) => at));
  const closeTo = new Map<number, number[]>();
  for (const { a, b } of closePictures(all.map(hashesOf), config.nearDuplicateBits + CLUSTER_MARGIN_BITS))
    closeTo.set(b, [...(closeTo.get(b) ?? []), a]);
  const perStyle = new Map<string, number>();
  return ranked
    .filter((candidate, position) => {
      const at = kept.length + position;
      const count = perStyle.get(candidate.style) ?? 0;
      if (count >= config.neighboursPerStyle || closeTo.get(at)?.some((other) => taken.has(other)))
        return false;
      perStyle.set(candidate.style, count + 1);
      taken.add(at);
      return true;
    })
    .sort((a, b) => a.order - b.order);
}

/** Every wanted-style row that is left out, in the source's order. */
function droppedOf(input: AssembleInput, later: readonly DroppedCandidate[]): DroppedImage[] {
  const ordered: { order: number; image: DroppedImage }[] = [];
  for (const result of input.groups)
    for (const { kind, source, order, drop } of result.dropped)
      if (kind === 'wanted') ordered.push({ order, image: { source, ...drop } });
  for (const { candidate, reason, measured, limit } of later)
    ordered.push({ order: candidate.order, image: { source: candidate.source, reason, measured, limit } });
  ordered.sort((a, b) => a.order - b.order);
  return [
    ...ordered.map(({ image }) => image),
    ...input.plan.otherGenre.map(({ source, genre }) => ({
      source,
      reason: 'other-genre' as const,
      measured: genre,
      limit: input.config.genres.join(', '),
    })),
    ...input.plan.overLimit.map((source) => ({
      source,
      reason: 'over-limit' as const,
      measured: null,
      limit: input.config.maxImages,
    })),
  ];
}

function idOf(candidate: Candidate): string {
  return candidate.pixels.slice(0, 16);
}

function rowOf({ candidate, cluster }: Placed, config: DatasetConfig): DatasetRow {
  return DatasetRow.parse({
    id: idOf(candidate),
    caption: captionFor(candidate.genre, config.trigger),
    artist: candidate.artist,
    genre: candidate.genre,
    style: candidate.style,
    width: candidate.bucket.width,
    height: candidate.bucket.height,
    flip_allowed: mayBeMirrored(candidate.genre),
    cluster,
    source: candidate.source,
  });
}

function measuredOf({ candidate, split }: Placed): MeasuredImage {
  const { width, height, box, chroma, brightness, sharpness, repairs } = candidate.measures;
  const shortSide = Math.min(box[2], box[3]);
  return {
    id: idOf(candidate),
    source: candidate.source,
    split,
    sourceWidth: width,
    sourceHeight: height,
    shortSide,
    aspect: Math.round((box[2] / box[3]) * 1000) / 1000,
    chroma,
    brightness,
    sharpness,
    hashes: hashesOf(candidate),
    repairs,
  };
}

async function writeSplit(input: AssembleInput, split: Split, placed: readonly Placed[]): Promise<string[]> {
  const rows: RowToWrite[] = placed
    .filter((p) => p.split === split)
    .map((p) => ({
      row: rowOf(p, input.config),
      pngBytes: p.png.length,
      readPng: () => input.store.readSlice(p.pack, p.png),
    }));
  const files = filesOf(rows);
  const paths: string[] = [];
  for (const [at, part] of files.entries()) {
    const number = (n: number): string => String(n).padStart(5, '0');
    const path = `data/${split}-${number(at)}-of-${number(files.length)}.parquet`;
    await writeDatasetParquet(join(input.out, path), part, input.onGroup);
    paths.push(path);
  }
  return paths;
}

const SHEET_COLUMNS = 10;
const KEPT_CELLS = 60;
const DROPPED_PER_REASON = 10;

async function sheetOfKept(input: AssembleInput, placed: readonly Placed[]): Promise<Buffer | null> {
  const sample = placed
    .filter((p) => p.split === 'train')
    .sort(byRank(input.seed, 'sheet', (p) => p.candidate.pixels))
    .slice(0, KEPT_CELLS);
  const cells: SheetCell[] = [];
  for (const { pack, png } of sample)
    cells.push({ picture: await input.store.readSlice(pack, png), band: null });
  return contactSheet(cells, SHEET_COLUMNS);
}

/** Band colours of the sheet of dropped pictures, by reason. */
const BAND_COLOURS: Record<DropReason, string> = {
  'other-style': '#9b9b9b',
  'other-genre': '#c7c7c7',
  corrupt: '#222222',
  'too-many-pixels': '#7d3c98',
  'too-small': '#2874a6',
  'aspect-ratio': '#148f77',
  greyscale: '#7f8c8d',
  'exact-duplicate': '#b03a2e',
  'near-duplicate': '#e67e22',
  blurred: '#85c1e9',
  text: '#f4d03f',
  'artist-cap': '#a9cc82',
  'over-limit': '#d7bde2',
};

async function sheetOfDropped(
  input: AssembleInput,
  later: readonly DroppedCandidate[],
  where: ReadonlyMap<string, { pack: string; png: Slice }>,
): Promise<{ png: Buffer; bands: { reason: DropReason; colour: string }[] } | null> {
  const known: { reason: DropReason; source: string; pack: string; slice: Slice | null }[] = [];
  for (const result of input.groups)
    for (const { kind, source, drop, thumbnail } of result.dropped)
      if (kind === 'wanted') known.push({ reason: drop.reason, source, pack: result.pack, slice: thumbnail });
  for (const { candidate, reason } of later) {
    const at = where.get(candidate.source);
    if (at !== undefined) known.push({ reason, source: candidate.source, pack: at.pack, slice: at.png });
  }
  const cells: SheetCell[] = [];
  const bands: { reason: DropReason; colour: string }[] = [];
  for (const reason of DropReason.options) {
    const some = known
      .filter((d) => d.reason === reason)
      .sort(byRank(input.seed, 'sheet', (d) => d.source))
      .slice(0, DROPPED_PER_REASON);
    if (some.length === 0) continue;
    const colour = BAND_COLOURS[reason];
    bands.push({ reason, colour });
    for (const { pack, slice } of some)
      cells.push({
        picture: slice === null ? null : await input.store.readSlice(pack, slice),
        band: colour,
      });
  }
  const png = await contactSheet(cells, SHEET_COLUMNS);
  return png === null ? null : { png, bands };
}

function lines(records: readonly unknown[]): string {
  return records.map((record) => `${JSON.stringify(record)}\n`).join('');
}
