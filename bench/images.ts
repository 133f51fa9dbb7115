/**
 * Images per second of the whole preparation of a picture (decode, frame, measures, hashes, filters, bucket, Lanczos,
 * JPEG of quality 95) beside PIL and img2dataset's resizer, which decode, resize and encode alone:
 *
 *   python3 -m venv /tmp/peers && /tmp/peers/bin/pip install img2dataset==1.47.0 pillow
 *   node scripts/ts.mjs bench/images.ts /tmp/peers/bin/python [seconds]
 *
 * 1562 × 1200 JPEG to 1312 × 1008; every figure of one run, two rounds, the better one of each. PIL stores color at full
 * size (4:4:4) as preparation does, img2dataset cannot (4:2:0): `bare` is what the peers do and nothing more, in either way.
 * CPU time of a picture says more than images per second where other work shares the machine.
 */
import { execFile, fork } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import sharp from 'sharp';
import { type DatasetConfig, parseRunConfig } from '../src/domain/config/run-config.ts';
import { bucketsFor } from '../src/domain/dataset/buckets.ts';
import { preparePicture } from '../src/images/prepare-picture.ts';
import { paint } from '../src/wikiart/synthetic/painter.ts';

const RESOLUTION = 1152;
const IN_FLIGHT = 4;
const PICTURES = 24;

const [, , first = '', second = '5', third = ''] = process.argv;
/** What a worker does with a picture: prepare it, or decode, resize and encode it alone. */
type Work = DatasetConfig['encoding'] | 'bare 4:4:4' | 'bare 4:2:0';
/** Pictures in a second, and milliseconds of CPU time for each. */
interface Rate {
  rate: number;
  cpu: number;
}

if (first === 'child') await serve(second as Work, Number(third));
else await compare(first, Number(second));

/** A worker process: prepares pictures for some seconds and reports its rate. */
async function serve(work: Work, seconds: number): Promise<void> {
  const folder = process.env.BENCH_PICTURES as string;
  const pictures = await Promise.all(
    (await readdir(folder)).sort().map((name) => readFile(join(folder, name))),
  );
  const make = work === 'jpeg' || work === 'png' ? preparing(work) : bare(work === 'bare 4:4:4');
  const once = (at: number): Promise<void> => make(pictures[at % pictures.length] as Buffer);
  await Promise.all([0, 1, 2, 3].map(once));
  process.send?.('ready');
  await new Promise((go) => process.once('message', go));
  const start = performance.now();
  const before = process.cpuUsage();
  const end = start + seconds * 1000;
  let count = 0;
  await Promise.all(
    Array.from({ length: IN_FLIGHT }, async () => {
      while (performance.now() < end) await once(count++);
    }),
  );
  const { user, system } = process.cpuUsage(before);
  process.send?.({
    rate: count / ((performance.now() - start) / 1000),
    cpu: (user + system) / 1000 / count,
  } satisfies Rate);
  process.disconnect();
}

function preparing(encoding: DatasetConfig['encoding']): (picture: Buffer) => Promise<void> {
  const parsed = parseRunConfig({ profile: 'a100', dataset: { resolution: RESOLUTION, encoding } });
  if (!parsed.ok) throw new Error('expected the profile to parse');
  const config = { ...parsed.value.dataset, maxLetters: null, minColorSpread: 0, randomCrop: false };
  const buckets = bucketsFor(RESOLUTION);
  return async (picture) => {
    const made = await preparePicture(picture, config, buckets);
    if (!made.ok || made.bucket.width !== 1312) throw new Error('expected a kept picture of 1312 × 1008');
  };
}

function bare(isFull: boolean): (picture: Buffer) => Promise<void> {
  const chromaSubsampling = isFull ? '4:4:4' : '4:2:0';
  return async (picture) => {
    await sharp(picture, { failOn: 'error', autoOrient: true })
      .resize({ width: 1312, height: 1008, fit: 'cover', kernel: 'lanczos3' })
      .jpeg({ quality: 95, chromaSubsampling, optimizeCoding: false })
      .toBuffer();
  };
}

async function ours(folder: string, p: { work: Work; processes: number; seconds: number }): Promise<Rate> {
  const children = Array.from({ length: p.processes }, () =>
    fork(resolve('bench/images.ts'), ['child', p.work, String(p.seconds)], {
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
  const all = (await Promise.all(rates)) as Rate[];
  return {
    rate: all.reduce((sum, { rate }) => sum + rate, 0),
    cpu: all.reduce((sum, { cpu }) => sum + cpu, 0) / all.length,
  };
}

async function compare(python: string, seconds: number): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'plein-air-images-'));
  try {
    await paintPictures(folder);
    const peers = ['pil', 'img2dataset-area', 'img2dataset-lanczos'];
    const works: Work[] = ['jpeg', 'bare 4:4:4', 'bare 4:2:0'];
    const runs: [name: string, run: () => Promise<Rate>][] = [1, 2].flatMap((processes) => [
      ...peers.map((peer): [string, () => Promise<Rate>] => [
        `${peer} ×${processes}`,
        () => theirs(python, peer, { processes, seconds, folder }),
      ]),
      ...works.map((work): [string, () => Promise<Rate>] => [
        `plein-air ${work} ×${processes}`,
        () => ours(folder, { work, processes, seconds }),
      ]),
    ]);
    runs.push(['plein-air png ×1', () => ours(folder, { work: 'png', processes: 1, seconds })]);
    const best = new Map<string, Rate>();
    for (let round = 0; round < 2; round++)
      for (const [name, run] of runs) {
        const [now, known] = [await run(), best.get(name)];
        best.set(name, {
          rate: Math.max(now.rate, known?.rate ?? 0),
          cpu: Math.min(now.cpu, known?.cpu ?? Number.POSITIVE_INFINITY),
        });
      }
    for (const [name, { rate, cpu }] of best)
      console.log(
        `${name.padEnd(26)} ${rate.toFixed(1).padStart(6)} images/s  ${cpu.toFixed(1).padStart(6)} ms CPU`,
      );
    for (const work of works) {
      const us = [1, 2].map((processes) => best.get(`plein-air ${work} ×${processes}`) as Rate);
      for (const peer of peers) {
        const [one, two] = [1, 2].map((processes) => best.get(`${peer} ×${processes}`) as Rate) as [
          Rate,
          Rate,
        ];
        const rate = Math.max(...us.map((own) => own.rate)) / two.rate;
        const cpu = Math.min(one.cpu, two.cpu) / Math.min(...us.map((own) => own.cpu));
        console.log(
          `${work} against ${peer} on two processes: ${rate.toFixed(2)}×; by CPU time ${cpu.toFixed(2)}×`,
        );
      }
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function theirs(
  python: string,
  peer: string,
  p: { processes: number; seconds: number; folder: string },
): Promise<Rate> {
  const script = [resolve('bench/images_peers.py'), peer, String(p.processes), String(p.seconds), p.folder];
  const { stdout } = await promisify(execFile)(python, script);
  const [rate, cpu] = stdout.trim().split(' ').map(Number) as [number, number];
  return { rate, cpu };
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
