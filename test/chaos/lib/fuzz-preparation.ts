import { tmpdir } from 'node:os';
import sharp from 'sharp';
import { parseRunConfig } from '../../../src/domain/config/run-config.ts';
import { bucketsFor } from '../../../src/domain/dataset/buckets.ts';
import { DropReason } from '../../../src/domain/dataset/record.ts';
import { PipelineError } from '../../../src/domain/errors.ts';
import { RepoId } from '../../../src/domain/refs.ts';
import type { Hub } from '../../../src/hub/hub.ts';
import { preparePicture } from '../../../src/images/prepare-picture.ts';
import { openHubFile } from '../../../src/wikiart/hub-file.ts';
import { passLabels, type Source } from '../../../src/wikiart/label-pass.ts';
import { parquetLimits } from '../../../src/wikiart/parquet-process.ts';
import { openShard, readPictures } from '../../../src/wikiart/shard.ts';
import { paint } from '../../../src/wikiart/synthetic/painter.ts';
import { type Random, seeded } from '../../local-hub/random.ts';
import { wikiArtParquet } from '../../wikiart/parquet-in-test.ts';

/** What became of mutated inputs: how many by outcome, the slowest one, and whatever broke the promise. */
export interface FuzzReport {
  outcomes: Record<string, number>;
  slowestSeconds: number;
  problems: string[];
}

/** Mutates encoded pictures of every format that is read and prepares them: each is kept or dropped with a reason. */
export async function fuzzPictures(
  count: number,
  seed: number,
  onStep: (at: number) => void = () => undefined,
): Promise<FuzzReport> {
  const parsed = parseRunConfig({ dataset: { minShortSide: 32, maxAspectRatio: 10, minChroma: 0 } });
  if (!parsed.ok) throw new Error('expected the configuration to parse');
  const config = { ...parsed.value.dataset, maxLetters: null, minColorSpread: 0 };
  const buckets = bucketsFor(config.resolution);
  const seeds = await pictures();
  const report: FuzzReport = { outcomes: {}, slowestSeconds: 0, problems: [] };
  for (let at = 0; at < count; at++) {
    onStep(at);
    const random = seeded(seed * 1_000_003 + at);
    const bytes = mutated(random.pick(seeds), random);
    const started = performance.now();
    try {
      const made = await preparePicture(bytes, config, buckets);
      if (!made.ok) DropReason.parse(made.drop.reason);
      tally(report, made.ok ? 'kept' : made.drop.reason);
    } catch (error) {
      report.problems.push(`picture ${at} of seed ${seed}: ${String(error)}`);
    }
    report.slowestSeconds = Math.max(report.slowestSeconds, (performance.now() - started) / 1000);
  }
  return report;
}

/** Mutates parquet files and reads labels and pictures: each is read, or refused as bad data. */
export async function fuzzParquet(
  count: number,
  seed: number,
  onStep: (at: number) => void = () => undefined,
): Promise<FuzzReport> {
  const small = await sharp({ create: { width: 8, height: 8, channels: 3, background: '#336699' } })
    .jpeg()
    .toBuffer();
  const rows = Array.from({ length: 24 }, (_, i) => ({
    bytes: i % 7 === 0 ? null : small,
    artist: 'Unknown Artist',
    genre: 'landscape',
    style: i % 2 === 0 ? 'Impressionism' : 'Cubism',
  }));
  const whole = wikiArtParquet(rows, { groupRows: 8 });
  const report: FuzzReport = { outcomes: {}, slowestSeconds: 0, problems: [] };
  // These files are tiny: a decoder that is at it for this long has lost its way.
  parquetLimits.patienceMs = 3000;
  for (let at = 0; at < count; at++) {
    onStep(at);
    const random = seeded(seed * 1_000_003 + at);
    // Most of a file is pictures: every other mutation goes for the footer, where the structure is.
    const bytes = at % 2 === 0 ? mutated(whole, random, 3) : mutatedEnd(whole, random);
    const started = performance.now();
    try {
      tally(report, await readAll(bytes));
    } catch (error) {
      report.problems.push(`parquet ${at} of seed ${seed}: ${String(error).slice(0, 300)}`);
    }
    report.slowestSeconds = Math.max(report.slowestSeconds, (performance.now() - started) / 1000);
  }
  return report;
}

export async function readAll(bytes: Buffer): Promise<string> {
  const path = 'data/train-00000-of-00001.parquet';
  const at = {
    type: 'dataset' as const,
    repo: RepoId.parse('plein-air/fuzz'),
    commit: 'a'.repeat(40) as never,
  };
  const hub = {
    readRange: async (_repo: unknown, _revision: string, _path: string, start: number, end: number) =>
      Buffer.from(bytes.subarray(start, end)),
  } as unknown as Hub;
  const source: Source = { at, files: [], card: '', cardLabels: null };
  const entry = { path, bytes: bytes.length, sha256: null };
  try {
    const { groups } = await passLabels(hub, source, entry);
    let outcome = 'read';
    const shard = await openShard(await openHubFile({ hub, at, path, bytes: bytes.length }));
    for (const group of groups)
      try {
        await (await readPictures(shard, group, tmpdir())).close();
      } catch (error) {
        if (!(error instanceof PipelineError) || error.kind !== 'BadData') throw error;
        outcome = 'a row group refused';
      }
    return outcome;
  } catch (error) {
    if (error instanceof PipelineError && error.kind === 'BadData') return 'refused';
    throw error;
  }
}

function tally(report: FuzzReport, outcome: string): void {
  report.outcomes[outcome] = (report.outcomes[outcome] ?? 0) + 1;
}

async function pictures(): Promise<Buffer[]> {
  const [width, height] = [96, 80];
  const pixels = await paint({ seed: 3, style: 'Impressionism', genre: 'landscape', width, height });
  const picture = () => sharp(pixels, { raw: { width, height, channels: 3 } });
  return Promise.all([
    picture().jpeg().toBuffer(),
    picture().jpeg({ progressive: true }).withMetadata({ orientation: 6 }).toBuffer(),
    picture().toColorspace('cmyk').jpeg().toBuffer(),
    picture().withIccProfile('p3').jpeg().toBuffer(),
    picture().png().toBuffer(),
    picture().png({ palette: true }).toBuffer(),
    picture().toColorspace('rgb16').png().toBuffer(),
    picture().ensureAlpha(0.5).png({ progressive: true }).toBuffer(),
    picture().webp().toBuffer(),
    picture().webp({ lossless: true }).toBuffer(),
    picture().tiff({ compression: 'lzw' }).toBuffer(),
    picture().tiff({ compression: 'none' }).toBuffer(),
    picture().gif().toBuffer(),
    picture().avif({ effort: 0 }).toBuffer(),
  ]);
}

/** A copy with bytes turned, cut off, put in, repeated or blanked, up to `most` times over. */
export function mutated(original: Buffer, random: Random, most = 12): Buffer {
  let bytes: Buffer = Buffer.from(original);
  for (let times = 1 + random.int(most); times > 0; times--) bytes = once(bytes, random);
  return bytes;
}

export function mutatedEnd(original: Buffer, random: Random): Buffer {
  const at = original.length - Math.min(original.length, 1400);
  return Buffer.concat([original.subarray(0, at), mutated(original.subarray(at), random, 2)]);
}

function once(bytes: Buffer, random: Random): Buffer {
  if (bytes.length < 4) return bytes;
  // Headers decide most: half of all changes go to the first kilobyte.
  const at = random.int(random.int(2) === 0 ? Math.min(1024, bytes.length) : bytes.length);
  const length = Math.min(1 + random.int(64), bytes.length - at);
  switch (random.int(6)) {
    case 0:
      bytes[at] = random.int(256);
      return bytes;
    case 1:
      bytes[at] = (bytes[at] as number) ^ (1 << random.int(8));
      return bytes;
    case 2:
      return random.int(4) === 0 ? bytes.subarray(0, Math.max(4, at)) : bytes;
    case 3:
      return Buffer.concat([bytes.subarray(0, at), random.bytes(length), bytes.subarray(at)]);
    case 4:
      return Buffer.concat([bytes.subarray(0, at + length), bytes.subarray(at)]);
    default:
      bytes.fill(random.pick([0, 255]), at, at + length);
      return bytes;
  }
}
