import { beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import sharp, { type Sharp } from 'sharp';
import { parseRunConfig } from '../../src/domain/config/run-config.ts';
import { bucketsFor } from '../../src/domain/dataset/buckets.ts';
import { likePairs } from '../../src/domain/dataset/likeness.ts';
import { type PictureOutcome, preparePicture } from '../../src/images/prepare-picture.ts';
import { paint } from '../../src/wikiart/synthetic/painter.ts';

const [WIDTH, HEIGHT] = [264, 200];
const parsed = parseRunConfig({});
if (!parsed.ok) throw new Error('unexpected');
const config = parsed.value.dataset;
const buckets = bucketsFor(config.resolution);

let picture: Sharp;
let plain: PictureOutcome & { ok: true };

beforeAll(async () => {
  const data = await paint({
    seed: 4,
    style: 'Impressionism',
    genre: 'landscape',
    width: WIDTH,
    height: HEIGHT,
  });
  picture = sharp(data, { raw: { width: WIDTH, height: HEIGHT, channels: 3 } });
  plain = await kept(await picture.clone().png().toBuffer());
});

async function prepare(bytes: Uint8Array | null): Promise<PictureOutcome> {
  return preparePicture(bytes, config, buckets);
}

async function kept(bytes: Uint8Array): Promise<PictureOutcome & { ok: true }> {
  const outcome = await prepare(bytes);
  if (!outcome.ok) throw new Error(`Expected a kept picture, got ${JSON.stringify(outcome.drop)}`);
  return outcome;
}

/** Mean absolute difference of the pixels of two prepared pictures, 0 to 255. */
async function difference(a: Buffer, b: Buffer): Promise<number> {
  const [x, y] = [await sharp(a).raw().toBuffer(), await sharp(b).raw().toBuffer()];
  return x.reduce((sum, value, at) => sum + Math.abs(value - (y[at] ?? 0)), 0) / x.length;
}

describe('preparing a picture', () => {
  it('gives an 8-bit PNG of three channels in the size of its bucket', async () => {
    const { width, height, channels, depth, format } = await sharp(plain.encoded).metadata();
    expect({ width, height, channels, depth, format }).toEqual({
      width: 144,
      height: 112,
      channels: 3,
      depth: 'uchar',
      format: 'png',
    });
  });

  it('turns a picture upright as its EXIF orientation says', async () => {
    const lying = await picture.clone().rotate(270).png().toBuffer();
    const turned = await kept(
      await sharp(lying).withMetadata({ orientation: 6 }).jpeg({ quality: 100 }).toBuffer(),
    );
    expect(turned.measures.repairs).toContain('rotated');
    expect([turned.measures.width, turned.measures.height]).toEqual([WIDTH, HEIGHT]);
    expect(await difference(turned.encoded, plain.encoded)).toBeLessThan(4);
  });

  it('brings CMYK back to about the same colors', async () => {
    const cmyk = await kept(await picture.clone().toColorspace('cmyk').jpeg({ quality: 100 }).toBuffer());
    expect(cmyk.measures.repairs).toContain('cmyk');
    expect(await difference(cmyk.encoded, plain.encoded)).toBeLessThan(12);
  });

  it('keeps the colors of a 16-bit picture', async () => {
    const deep = await kept(await picture.clone().toColorspace('rgb16').png().toBuffer());
    expect(deep.measures.repairs).toContain('16-bit');
    expect(await difference(deep.encoded, plain.encoded)).toBeLessThan(1.5);
  });

  it('lays transparent parts on white', async () => {
    const hole = Buffer.from(
      `<svg width="${WIDTH}" height="${HEIGHT}"><rect x="60" y="40" width="120" height="100"/></svg>`,
    );
    const bytes = await picture
      .clone()
      .ensureAlpha()
      .composite([{ input: hole, blend: 'dest-out' }])
      .png()
      .toBuffer();
    const open = await kept(bytes);
    const center = await sharp(open.encoded)
      .extract({ left: 60, top: 50, width: 4, height: 4 })
      .raw()
      .toBuffer();
    expect(open.measures.repairs).toContain('alpha');
    expect(Math.min(...center)).toBeGreaterThan(250);
  });

  it.each(['#3a2614', '#141414', '#e9e4d8', '#ffffff'])(
    'takes a frame of color %s off, to the pixel',
    async (background) => {
      const wide = { top: 20, bottom: 20, left: 20, right: 20, background };
      const framed = await kept(await picture.clone().extend(wide).jpeg({ quality: 92 }).toBuffer());
      const [left, top, width, height] = framed.measures.box;
      expect(framed.measures.repairs).toEqual(['frame']);
      for (const [got, wanted] of [
        [left, 20],
        [top, 20],
        [width, WIDTH],
        [height, HEIGHT],
      ] as const)
        expect(Math.abs(got - wanted)).toBeLessThanOrEqual(2);
    },
  );

  it('does not take a plain sky for a frame', async () => {
    const sky = { top: 60, background: '#a8c8e8' };
    const { measures } = await kept(await picture.clone().extend(sky).png().toBuffer());
    expect(measures.box).toEqual([0, 0, WIDTH, HEIGHT + 60]);
  });

  it('leaves a subject on a plain ground its ground', async () => {
    const svg =
      '<svg width="260" height="220"><rect width="100%" height="100%" fill="#d8b878"/><circle cx="130" cy="110" r="70" fill="#2050a0"/></svg>';
    const { measures } = await kept(await sharp(Buffer.from(svg)).png().toBuffer());
    expect(measures.box).toEqual([0, 0, 260, 220]);
  });

  it.each([
    ['no bytes', async () => null],
    ['text', async () => Buffer.from('not a picture')],
    ['a truncated JPEG', async () => (await picture.clone().jpeg().toBuffer()).subarray(0, 4000)],
    ['a truncated PNG', async () => (await picture.clone().png().toBuffer()).subarray(0, 20_000)],
    [
      'a vector drawing',
      async () => Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="300" height="300"/>'),
    ],
  ])('drops %s as corrupt', async (_, bytes) => {
    expect(await prepare(await bytes())).toMatchObject({ ok: false, drop: { reason: 'corrupt' } });
  });

  it('gives the same reason whatever else is being decoded', async () => {
    const jpeg = await picture.clone().jpeg().toBuffer();
    const png = await picture.clone().png().toBuffer();
    const damaged = [
      jpeg.subarray(0, 4000),
      jpeg.subarray(0, 300),
      png.subarray(0, 20_000),
      Buffer.from('text'),
    ];
    const alone: PictureOutcome[] = [];
    for (const bytes of damaged) alone.push(await prepare(bytes));
    for (let round = 0; round < 25; round++)
      expect(await Promise.all(damaged.map((bytes) => prepare(bytes)))).toEqual(alone);
  });

  it('refuses a picture of too many pixels by its header, before it unfolds', async () => {
    const bomb = await sharp({ create: { width: 12_000, height: 11_000, channels: 3, background: '#888' } })
      .png({ compressionLevel: 9 })
      .toBuffer();
    expect(bomb.length).toBeLessThan(2_000_000);
    expect(await prepare(bomb)).toMatchObject({
      ok: false,
      drop: { reason: 'too-many-pixels', measured: 132_000_000, limit: 120_000_000 },
    });
  });

  it.each([
    ['too-small', 150, () => picture.clone().resize(198, 150)],
    ['aspect-ratio', 3, () => picture.clone().resize({ width: 600, height: 200, fit: 'fill' })],
    ['grayscale', 0, () => picture.clone().grayscale()],
  ] as const)('drops a picture as %s with what it measured', async (reason, measured, change) => {
    const outcome = await prepare(await change().png().toBuffer());
    expect(outcome).toMatchObject({ ok: false, drop: { reason } });
    expect(!outcome.ok && outcome.drop.measured).toBeCloseTo(measured, 1);
  });

  it('tells a blurred picture from a smooth one by its sharpness', async () => {
    const blurred = await kept(await picture.clone().blur(2).jpeg().toBuffer());
    const size = { width: WIDTH, height: HEIGHT };
    const smooth = await paint({ seed: 4, style: 'Baroque', genre: 'landscape', ...size });
    const fine = await kept(
      await sharp(smooth, { raw: { ...size, channels: 3 } })
        .png()
        .toBuffer(),
    );
    expect(plain.measures.sharpness).toBeGreaterThan(-0.6);
    expect(fine.measures.sharpness).toBeGreaterThan(-0.6);
    expect(blurred.measures.sharpness).toBeLessThan(-0.75);
  });

  it('hashes a smaller, lossier copy within a few bits, and another picture far away', async () => {
    const copy = await kept(await picture.clone().resize(230).jpeg({ quality: 60 }).toBuffer());
    const other = await paint({
      seed: 9,
      style: 'Impressionism',
      genre: 'portrait',
      width: 200,
      height: 240,
    });
    const far = await kept(
      await sharp(other, { raw: { width: 200, height: 240, channels: 3 } })
        .png()
        .toBuffer(),
    );
    const thumbnails = [plain, copy, far].map(({ measures }) => measures.thumbnail);
    expect(await likePairs(thumbnails, { bits: 12, correlation: 0.7 })).toMatchObject([{ a: 0, b: 1 }]);
  });

  it('keeps or drops whatever bytes it is given, and never throws', async () => {
    const seeds = [
      await picture.clone().jpeg().toBuffer(),
      await picture.clone().png().toBuffer(),
      await picture.clone().webp().toBuffer(),
      await picture.clone().tiff().toBuffer(),
    ];
    await fc.assert(
      fc.asyncProperty(
        fc.nat(3),
        fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 24 }),
        fc.option(fc.nat()),
        async (which, edits, cut) => {
          const bytes = Buffer.from(seeds[which] as Buffer);
          for (const [at, value] of edits) bytes[at % bytes.length] = value;
          const outcome = await prepare(cut === null ? bytes : bytes.subarray(0, cut % bytes.length));
          if (!outcome.ok) expect(outcome.drop.reason).toMatch(/^[a-z-]+$/);
        },
      ),
      { numRuns: 200 },
    );
  });
});
