import { mkdir, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { chooseKept, thumbnailOf } from '../../domain/dataset/filters.ts';
import { likePairs } from '../../domain/dataset/likeness.ts';
import type { Candidate } from '../../domain/dataset/measures.ts';
import { byRank, compareText } from '../../domain/dataset/order.ts';
import { DatasetManifest, DropReason, SPLITS, type Split } from '../../domain/dataset/record.ts';
import { kinLimits, splitPictures } from '../../domain/dataset/split.ts';
import { sha256OfFile } from '../../hub/hashing.ts';
import { datasetCard } from '../../wikiart/dataset-card.ts';
import { filesOf, type RowToWrite, writeDatasetParquet } from '../../wikiart/dataset-parquet.ts';
import { sheetOfBorderline, sheetOfDropped, sheetOfKept } from './contact-sheets.ts';
import type { AssembleInput, Placed } from './dataset-input.ts';
import type { Slice } from './local-store.ts';
import { drawCardPlots } from './plots.ts';
import { borderlineOf, closestOf, droppedOf, measuredOf, proofOf, rowOf } from './records.ts';

/** The files of a prepared dataset on the local disk, and its manifest. */
export interface Assembled {
  manifest: DatasetManifest;
  files: { path: string; file: string }[];
}

/** Captions that the card shows. */
export function captionsShown(captions: readonly string[]): string[] {
  return [...new Set(captions)].sort(compareText).slice(0, 8);
}

/** Compares all pictures, deals them into splits and writes the dataset; the same input gives the same bytes. */
export async function assemble(input: AssembleInput): Promise<Assembled> {
  const where = new Map<string, { pack: string; png: Slice }>();
  const wanted: Candidate[] = [];
  const neighbors: Candidate[] = [];
  for (const result of input.groups)
    for (const { kind, candidate, png } of result.candidates) {
      where.set(candidate.source, { pack: result.pack, png });
      (kind === 'wanted' ? wanted : neighbors).push(candidate);
    }
  const { giveWay } = input;
  const chosen = await chooseKept(wanted, input.config, input.seed, giveWay);
  const dealt = await splitPictures(chosen.kept, { ...input.config, seed: input.seed }, giveWay);
  const firstFree = dealt.pictures.reduce((next, { cluster }) => Math.max(next, cluster + 1), 0);
  const others = await chooseNeighbors(neighbors, chosen.kept, input);
  const placed: Placed[] = [
    ...dealt.pictures,
    ...others.map((candidate, at) => ({ candidate, split: 'neighbors' as const, cluster: firstFree + at })),
  ].map((picture) => ({
    ...picture,
    ...(picture.split === 'neighbors' ? {} : { caption: input.captions.of(picture.candidate) }),
    ...(where.get(picture.candidate.source) as { pack: string; png: Slice }),
  }));

  const dropped = droppedOf(input, chosen.dropped);
  const counts = Object.fromEntries(DropReason.options.map((reason) => [reason, 0])) as Record<
    DropReason,
    number
  >;
  for (const { reason } of dropped) counts[reason] += 1;
  // Neighbors from a reference are none of the source's rows.
  counts['other-style'] =
    input.plan.otherStyle - others.filter((c) => c.order < input.plan.ownFiles * 2 ** 32).length;

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
  const borderline = borderlineOf(placed, input.config);
  await put('borderline.jsonl', lines(borderline));
  const proof = proofOf(placed);
  await put('proof.json', `${JSON.stringify(proof, null, 2)}\n`);
  const keptSheet = await sheetOfKept(input, placed);
  if (keptSheet !== null) await put('preview/kept.png', keptSheet);
  const droppedSheet = await sheetOfDropped(input, chosen.dropped, where);
  if (droppedSheet !== null) await put('preview/dropped.png', droppedSheet.png);
  const borderlineSheet = await sheetOfBorderline(input, placed, borderline);
  if (borderlineSheet !== null) await put('preview/borderline.png', borderlineSheet);
  const plots = await drawCardPlots(placed, counts);
  for (const { path, svg } of plots) await put(path, svg);

  const written = input.captions.facts();
  const facts: Omit<DatasetManifest, 'files'> = {
    format: 1,
    key: input.key,
    source: { repo: input.source.repo, commit: input.source.commit },
    ...(input.reference === null
      ? {}
      : { reference: { repo: input.reference.repo, commit: input.reference.commit } }),
    settings: input.settings,
    rows: input.plan.rows,
    images: Object.fromEntries(
      SPLITS.map((split) => [split, placed.filter((p) => p.split === split).length]),
    ) as Record<Split, number>,
    dropped: counts,
    bytesRead: input.bytesRead,
    unseenArtists: dealt.unseenArtists,
    ...(written === null ? {} : { captions: written }),
    nearestCrossSplit: closestOf(proof),
  };
  const captions = placed.filter((p) => p.split === 'train').map((p) => rowOf(p, input.config).caption);
  await put(
    'README.md',
    datasetCard({
      manifest: facts,
      sourceCard: input.sourceCard,
      style: input.config.style,
      trigger: input.config.trigger,
      captions: captionsShown(captions),
      bands: droppedSheet?.bands ?? [],
      hasKeptSheet: keptSheet !== null,
      plots,
      proof,
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

/** Neighbors per style by hash, none of them close to a kept picture or to another neighbor. */
async function chooseNeighbors(
  candidates: readonly Candidate[],
  kept: readonly Candidate[],
  { config, seed, giveWay }: Pick<AssembleInput, 'config' | 'seed' | 'giveWay'>,
): Promise<Candidate[]> {
  const ranked = [...candidates].sort(byRank(seed, 'neighbor', (c) => c.source));
  const all = [...kept, ...ranked];
  const taken = new Set(kept.map((_, at) => at));
  const closeTo = new Map<number, number[]>();
  const limits = kinLimits(config.nearDuplicateBits);
  for (const { a, b } of await likePairs(all.map(thumbnailOf), limits, giveWay))
    closeTo.set(b, [...(closeTo.get(b) ?? []), a]);
  const perStyle = new Map<string, number>();
  return ranked
    .filter((candidate, position) => {
      const at = kept.length + position;
      const count = perStyle.get(candidate.style) ?? 0;
      if (count >= config.neighborsPerStyle || closeTo.get(at)?.some((other) => taken.has(other)))
        return false;
      perStyle.set(candidate.style, count + 1);
      taken.add(at);
      return true;
    })
    .sort((a, b) => a.order - b.order);
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

function lines(records: readonly unknown[]): string {
  return records.map((record) => `${JSON.stringify(record)}\n`).join('');
}
