/**
 * The preparation of a WikiArt-shaped source on the local Hub, by real workers under a real Temporal server: bytes read,
 * peak memory as the source grows, and how much sooner two workers are done than one, each on a core of its own:
 *
 *   npm run build && node scripts/ts.mjs bench/preparation.ts bytes|workers [shards] [MB a shard] [folder to keep the source in]
 *
 * Real sizes: JPEGs of 1500 × 1200, row groups of 100 rows, 768-pixel buckets. Each shard has one group of the wanted style.
 */
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { closeConnections } from '../src/cli/connect.ts';
import { RepoId } from '../src/domain/refs.ts';
import { openSource, passLabels } from '../src/wikiart/label-pass.ts';
import { ARTIST_NAMES } from '../src/wikiart/synthetic/labels.ts';
import { paint } from '../src/wikiart/synthetic/painter.ts';
import { PreparationStand } from '../test/chaos/lib/preparation-stand.ts';
import { type WikiArtRow, wikiArtParquet } from '../test/wikiart/parquet-in-test.ts';

const [, , part = 'bytes', shardsArgument = '8', megabytesArgument = '64', keep] = process.argv;
const shards = Number(shardsArgument);
const megabytes = Number(megabytesArgument);
const GROUP = 100;
const OTHERS = ['Realism', 'Romanticism', 'Baroque', 'Cubism'] as const;
const SETTINGS = { resolution: 768, minShortSide: 512, neighborsPerStyle: 12, minTrainingImages: 1 };

const folder = await mkdtemp(join(tmpdir(), 'plein-air-preparation-'));
const sourceFolder = keep ?? join(folder, 'source');
const files = await makeSource(sourceFolder);
const quarter = files.slice(0, Math.max(1, shards / 4));
const stand = await PreparationStand.start(join(folder, 'stack'));
try {
  await (part === 'bytes' ? measureBytes() : measureWorkers());
} finally {
  await closeConnections();
  await stand.stop();
  await rm(folder, { recursive: true, force: true });
}

/** The source's files as a repository, each as often as asked. */
async function seed(name: string, paths: readonly string[], copies = 1): Promise<string> {
  const named = Array.from({ length: copies }, (_, copy) =>
    paths.map((file, at) => ({
      path: `data/train-${copy}-${String(at).padStart(5, '0')}.parquet`,
      content: { file },
    })),
  ).flat();
  return stand.seed(name, named);
}

/** Bytes read, and peak memory of one worker as the source grows. */
async function measureBytes(): Promise<void> {
  const total = (await Promise.all(files.map((file) => stat(file)))).reduce((sum, { size }) => sum + size, 0);
  const source = await seed('big', files);
  const worker = await stand.worker();
  const watch = stand.watchMemory(worker.pid);
  const tellPeak = async (of: number): Promise<void> =>
    console.log(
      `after ${of} shards: peak memory of the worker ${(await stand.peakMemory(worker.pid)).toFixed(0)} MB, of it and its decoders together ${watch.most().toFixed(0)} MB`,
    );
  await stand.prepare({ ...SETTINGS, source: await seed('quarter', quarter) });
  await tellPeak(quarter.length);
  const { manifest } = await stand.prepare({ ...SETTINGS, source });
  await tellPeak(shards);
  tellBytes({ read: manifest.bytesRead, total, labels: await labelBytes(source) });
  await stand.prepare({ ...SETTINGS, source: await seed('double', files, 2) });
  await tellPeak(2 * shards);
  watch.stop();
}

/** One worker on one core against two on two; each is warmed up on a quarter of the source. */
async function measureWorkers(): Promise<void> {
  const source = await seed('big', files);
  const small = await seed('quarter', quarter);
  const first = await stand.worker(0);
  await stand.prepare({ ...SETTINGS, source: small, testFraction: 0.11 });
  const one = await stand.prepare({ ...SETTINGS, source });
  await stand.forget(one.result);
  await stand.worker(1);
  await stand.prepare({ ...SETTINGS, source: small, testFraction: 0.12 });
  const two = await stand.prepare({ ...SETTINGS, source });
  console.log(
    `one worker on one core ${one.seconds.toFixed(1)} s, two workers on two cores ${two.seconds.toFixed(1)} s: ${(one.seconds / two.seconds).toFixed(2)}×; ${one.files === two.files ? 'the same bytes' : 'OTHER BYTES'}`,
  );
  await first.kill();
}

/** Bytes of the label pass, by the code that the plan uses. */
async function labelBytes(source: string): Promise<number> {
  const repo = { type: 'dataset' as const, repo: RepoId.parse(source) };
  const commit = await stand.hub.resolve(repo);
  if (commit === null) throw new Error('expected the source on the Hub');
  const opened = await openSource(stand.hub, { ...repo, commit });
  let sum = 0;
  for (const entry of opened.files) sum += (await passLabels(stand.hub, opened, entry)).bytesRead;
  return sum;
}

function tellBytes(p: { read: number; total: number; labels: number }): void {
  const wanted = wantedBytes();
  console.log(
    `source ${(p.total / 1e6).toFixed(0)} MB in ${shards} shards; label pass ${(p.labels / 1e6).toFixed(2)} MB (${((100 * p.labels) / p.total).toFixed(2)} % of all bytes); whole phase ${(p.read / 1e6).toFixed(1)} MB, ${(p.read / wanted).toFixed(3)} × the wanted row groups (${(wanted / 1e6).toFixed(1)} MB)`,
  );
}

/** Bytes of the row groups that hold the wanted style, as they were written. */
function wantedBytes(): number {
  const sizes: number[] = JSON.parse(readFileSync(join(sourceFolder, 'wanted.json'), 'utf8'));
  return sizes.reduce((sum, size) => sum + size, 0);
}

/**
 * Shards in which one group of rows is Impressionism and all others are other styles; every file has as many rows as come
 * to its size. Kept where asked: painting takes minutes.
 */
async function makeSource(to: string): Promise<string[]> {
  const paths = Array.from({ length: shards }, (_, shard) => join(to, `${shard}.parquet`));
  if (existsSync(join(to, 'wanted.json'))) return paths;
  await mkdir(to, { recursive: true });
  const canvases = await Promise.all(
    Array.from({ length: 8 }, (_, at) =>
      paint({ seed: 70 + at, style: 'Impressionism', genre: 'landscape', width: 640, height: 520 }),
    ),
  );
  const grain = await sharp({
    create: {
      width: 1500,
      height: 1200,
      channels: 3,
      background: '#808080',
      noise: { type: 'gaussian', mean: 128, sigma: 15 },
    },
  })
    .png({ compressionLevel: 0 })
    .toBuffer();
  const wanted: number[] = [];
  for (const [shard, path] of paths.entries()) {
    const rows: WikiArtRow[] = [];
    let size = 0;
    while (size < megabytes * 1e6) {
      const batch = await Promise.all(
        [0, 1].map((one) => picture(canvases, grain, shard * 10_000 + rows.length + one)),
      );
      for (const bytes of batch) {
        size += bytes.length;
        const at = rows.length;
        // The second group in even shards, the first in odd ones: whole groups of 100 and what is left of a file.
        const isWanted = Math.floor(at / GROUP) === (shard % 2 === 0 ? 1 : 0);
        const style = isWanted ? 'Impressionism' : (OTHERS[at % OTHERS.length] as (typeof OTHERS)[number]);
        rows.push({ bytes, artist: ARTIST_NAMES[1 + (at % 40)] as string, genre: 'landscape', style });
      }
    }
    wanted.push(
      rows
        .filter((row) => row.style === 'Impressionism')
        .reduce((sum, row) => sum + (row.bytes?.length ?? 0), 0),
    );
    await writeFile(path, wikiArtParquet(rows, { groupRows: GROUP }));
  }
  await writeFile(join(to, 'wanted.json'), JSON.stringify(wanted));
  return paths;
}

/** One of few painted canvases, cut, turned in hue and grained so that no two are alike. */
async function picture(
  canvases: readonly Buffer[] | readonly Uint8Array[],
  grain: Buffer,
  at: number,
): Promise<Buffer> {
  const canvas = canvases[at % canvases.length] as Uint8Array;
  return sharp(canvas, { raw: { width: 640, height: 520, channels: 3 } })
    .extract({ left: (at * 37) % 140, top: (at * 53) % 120, width: 500, height: 400 })
    .modulate({ hue: (at * 29) % 60, saturation: 0.8 + ((at * 7) % 40) / 100 })
    .resize(1500, 1200)
    .composite([{ input: grain, blend: 'soft-light' }])
    .removeAlpha()
    .jpeg({ quality: 92 })
    .toBuffer();
}
