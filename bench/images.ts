/**
 * Images per second of the whole preparation of a picture (decode, frame, measures, hashes, filters, bucket, Lanczos,
 * JPEG of quality 95) beside PIL and img2dataset's resizer, which decode, resize and encode alone:
 *
 *   python3 -m venv /tmp/peers && /tmp/peers/bin/pip install img2dataset==1.47.0 pillow
 *   node scripts/ts.mjs bench/images.ts /tmp/peers/bin/python [seconds]
 *
 * 1562 × 1200 JPEG to 1312 × 1008; every figure of one run, two rounds, the better one of each.
 */
import { execFile, fork } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import sharp from 'sharp';
import { bucketsFor } from '../src/domain/dataset-buckets.ts';
import { type DatasetConfig, parseRunConfig } from '../src/domain/run-config.ts';
import { preparePicture } from '../src/images/prepare-picture.ts';
import { paint } from '../src/wikiart/generated/painter.ts';

const RESOLUTION = 1152;
const IN_FLIGHT = 4;
const PICTURES = 24;

const [, , first = '', second = '5', third = ''] = process.argv;
if (first === 'child') await serve(second as DatasetConfig['encoding'], Number(third));
else await compare(first, Number(second));

/** A worker process: prepares pictures for some seconds and reports its rate. */
async function serve(encoding: DatasetConfig['encoding'], seconds: number): Promise<void> {
  const folder = process.env.BENCH_PICTURES as string;
  const pictures = await Promise.all(
    (await readdir(folder)).sort().map((name) => readFile(join(folder, name))),
  );
  const parsed = parseRunConfig({ profile: 'a100', dataset: { resolution: RESOLUTION, encoding } });
  if (!parsed.ok) throw new Error('expected the profile to parse');
  const config = { ...parsed.value.dataset, maxLetters: null, minColourSpread: 0, randomCrop: false };
  const buckets = bucketsFor(RESOLUTION);
  const once = async (at: number): Promise<void> => {
    const made = await preparePicture(pictures[at % pictures.length] as Buffer, config, buckets);
    if (!made.ok || made.bucket.width !== 1312) throw new Error('expected a kept picture of 1312 × 1008');
  };
  await Promise.all([0, 1, 2, 3].map(once));
  process.send?.('ready');
  await new Promise((go) => process.once('message', go));
  const start = performance.now();
  const end = start + seconds * 1000;
  let count = 0;
  await Promise.all(
    Array.from({ length: IN_FLIGHT }, async () => {
      while (performance.now() < end) await once(count++);
    }),
  );
  process.send?.(count / ((performance.now() - start) / 1000));
  process.disconnect();
}

async function ours(
  folder: string,
  p: { encoding: string; processes: number; seconds: number },
): Promise<number> {
  const children = Array.from({ length: p.processes }, () =>
    fork(resolve('bench/images.ts'), ['child', p.encoding, String(p.seconds)], {
      execPath: process.execPath,
      execArgv: [resolve('scripts/ts.mjs')],
      env: { ...process.env, BENCH_PICTURES: folder },
    }),
  );
  const message = (child: (typeof children)[number]) =>
    new Promise<unknown>((got, failed) => {
      child.once('message', got);
      child.once('exit', (code) => failed(new Error(`a worker ended with ${code}`)));
    });
  await Promise.all(children.map(message));
  const rates = children.map(message);
  for (const child of children) child.send('go');
  return (await Promise.all(rates)).reduce<number>((sum, rate) => sum + Number(rate), 0);
}

async function compare(python: string, seconds: number): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'plein-air-images-'));
  try {
    await paintPictures(folder);
    const peers = ['pil', 'img2dataset-area', 'img2dataset-lanczos'];
    const runs: [name: string, run: () => Promise<number>][] = [1, 2].flatMap((processes) => [
      ...peers.map((peer): [string, () => Promise<number>] => [
        `${peer} ×${processes}`,
        async () =>
          Number(
            (
              await promisify(execFile)(python, [
                resolve('bench/images_peers.py'),
                peer,
                String(processes),
                String(seconds),
                folder,
              ])
            ).stdout,
          ),
      ]),
      [`plein-air jpeg ×${processes}`, () => ours(folder, { encoding: 'jpeg', processes, seconds })],
    ]);
    runs.push(['plein-air png ×1', () => ours(folder, { encoding: 'png', processes: 1, seconds })]);
    const best = new Map<string, number>();
    for (let round = 0; round < 2; round++)
      for (const [name, run] of runs) best.set(name, Math.max(best.get(name) ?? 0, await run()));
    for (const [name, rate] of best) console.log(`${name.padEnd(26)} ${rate.toFixed(1)} images/s`);
    const us = Math.max(best.get('plein-air jpeg ×1') ?? 0, best.get('plein-air jpeg ×2') ?? 0);
    for (const peer of peers)
      console.log(`against ${peer} on two processes: ${(us / (best.get(`${peer} ×2`) ?? 1)).toFixed(2)}×`);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Painted pictures with the grain of canvas, about as large as a museum's JPEG. */
async function paintPictures(folder: string): Promise<void> {
  const [width, height] = [1562, 1200];
  for (let at = 0; at < PICTURES; at++) {
    const small = await paint({
      seed: 500 + at,
      style: 'Impressionism',
      genre: 'landscape',
      width: 520,
      height: 400,
    });
    const grain = await sharp({
      create: {
        width,
        height,
        channels: 3,
        background: '#808080',
        noise: { type: 'gaussian', mean: 128, sigma: 14 },
      },
    })
      .png({ compressionLevel: 0 })
      .toBuffer();
    const data = await sharp(small, { raw: { width: 520, height: 400, channels: 3 } })
      .resize(width, height)
      .composite([{ input: grain, blend: 'soft-light' }])
      .removeAlpha()
      .jpeg({ quality: 92 })
      .toBuffer();
    await writeFile(join(folder, `${String(at).padStart(2, '0')}.jpg`), data);
  }
}
