import sharp, { type Sharp } from 'sharp';
import { letteringSvg, signatureSvg } from './lettering.ts';
import { paint } from './painter.ts';
import type { PlannedRow } from './plan.ts';
import { randomFrom } from './random.ts';

/** Paints a planned row and encodes it as its defect demands: JPEG, or PNG where there is an alpha channel. */
export async function encodeRow(row: PlannedRow): Promise<{ bytes: Uint8Array; extension: 'jpg' | 'png' }> {
  const { width, height } = row;
  const pixels = await paint({ seed: row.seed, style: row.paintedStyle, genre: row.genre, width, height });
  const picture = sharp(pixels, { raw: { width, height, channels: 3 } });
  const random = randomFrom(row.seed, row.index, 'defect');
  switch (row.defect) {
    case null:
    case 'mislabeled':
    case 'exact-duplicate':
      return jpeg(picture);
    case 'corrupt': {
      const { bytes } = await jpeg(picture);
      for (let at = 0; at < Math.min(4096, bytes.length); at++) bytes[at] = random.integer(0, 255);
      return { bytes, extension: 'jpg' };
    }
    case 'truncated': {
      const { bytes } = await jpeg(picture);
      return {
        bytes: bytes.subarray(0, Math.floor(bytes.length * random.between(0.4, 0.75))),
        extension: 'jpg',
      };
    }
    case 'near-duplicate-reencoded':
      return jpeg(picture, 58);
    case 'near-duplicate-cropped': {
      const [left, top] = [Math.round(width * 0.02), Math.round(height * 0.02)];
      return jpeg(picture.extract({ left, top, width: width - 2 * left, height: height - 2 * top }), 85);
    }
    case 'near-duplicate-resized':
      return jpeg(picture.resize({ width: Math.round(width * 0.78) }), 85);
    case 'tiny':
      return jpeg(picture.resize({ width: 96, height: 96, fit: 'outside' }));
    case 'grayscale':
      return jpeg(picture.grayscale().toColorspace('b-w'));
    case 'framed':
      return jpeg(await framed(picture, row));
    case 'exif-rotated':
      // Stored lying on its left side; orientation 6 tells a viewer to turn it back.
      return jpeg(picture.rotate(270).withMetadata({ orientation: 6 }));
    case 'cmyk':
      return jpeg(picture.toColorspace('cmyk'));
    case 'alpha':
      return { bytes: await cutOut(picture, row), extension: 'png' };
    case 'blurred':
      return jpeg(picture.blur(Math.max(width, height) / 150));
    case 'lettering':
      return jpeg(await drawnOver(picture, row, await letteringOver(picture, row)));
    case 'signature':
      return jpeg(await drawnOver(picture, row, signatureOver(row)));
    case 'scan':
      return jpeg(await toned(picture, row));
    case 'strip':
      return jpeg(
        picture.resize({ width: 3 * Math.min(width, height), height: Math.min(width, height), fit: 'fill' }),
      );
    case 'sixteen-bit':
      return {
        bytes: await picture.toColorspace('rgb16').png({ compressionLevel: 6 }).toBuffer(),
        extension: 'png',
      };
    case 'color-profile':
      return jpeg(picture.withIccProfile('p3'));
  }
}

async function jpeg(picture: Sharp, quality = 92): Promise<{ bytes: Uint8Array; extension: 'jpg' }> {
  return { bytes: await picture.jpeg({ quality, chromaSubsampling: '4:4:4' }).toBuffer(), extension: 'jpg' };
}

async function framed(picture: Sharp, row: PlannedRow): Promise<Sharp> {
  const random = randomFrom(row.seed, 'frame');
  const wide = Math.round(Math.min(row.width, row.height) * random.between(0.07, 0.11));
  const background = random.pick(['#3a2614', '#141414', '#a8843c', '#e9e4d8']);
  const extended = await picture
    .extend({ top: wide, bottom: wide, left: wide, right: wide, background })
    .raw()
    .toBuffer({ resolveWithObject: true });
  const { width, height, channels } = extended.info;
  return sharp(extended.data, { raw: { width, height, channels: channels as 3 } });
}

async function cutOut(picture: Sharp, row: PlannedRow): Promise<Buffer> {
  const corner = Math.round(Math.min(row.width, row.height) * 0.08);
  const mask = `<svg xmlns="http://www.w3.org/2000/svg" width="${row.width}" height="${row.height}"><rect width="100%" height="100%" rx="${corner}" fill="#fff"/></svg>`;
  return picture
    .ensureAlpha()
    .composite([{ input: Buffer.from(mask), blend: 'dest-in' }])
    .png({ compressionLevel: 6 })
    .toBuffer();
}

/** A caption, an address or a stamp in one plain color, a fortieth to a fifteenth of the picture high. */
async function letteringOver(picture: Sharp, row: PlannedRow): Promise<string> {
  const { width, height } = row;
  const random = randomFrom(row.seed, 'lettering');
  const cell = Math.max(1.6, (Math.min(width, height) * random.between(0.035, 0.06)) / 7);
  const atTop = random.chance(0.3);
  const top = atTop ? cell * 2.5 : height - cell * 9.5;
  const dark = (await lumaOf(picture, { top: Math.floor(top), height: Math.ceil(cell * 7), width })) < 128;
  const [fill, ground] = random.pick([
    [dark ? '#ffffff' : '#080808', null],
    ['#101010', '#f4f0e6'],
    ['#f6e65a', '#202020'],
    ['#ffffff', '#303030'],
  ] as const);
  const strip =
    ground === null
      ? ''
      : `<rect x="0" y="${top - cell * 2}" width="${width}" height="${cell * 11}" fill="${ground}"/>`;
  const left = width * random.between(0.04, 0.12);
  return (
    strip +
    letteringSvg({ random, left, top, width: width * 0.84, cell, fill, opacity: random.between(0.92, 1) })
  );
}

/** Mean luma of a strip across a picture: whoever stamps one chooses a color that can be read. */
async function lumaOf(
  picture: Sharp,
  strip: { top: number; height: number; width: number },
): Promise<number> {
  const { data } = await picture
    .clone()
    .extract({ left: 0, ...strip })
    .resize(1, 1)
    .raw()
    .toBuffer({ resolveWithObject: true });
  return 0.2126 * (data[0] ?? 0) + 0.7152 * (data[1] ?? 0) + 0.0722 * (data[2] ?? 0);
}

function signatureOver(row: PlannedRow): string {
  const { width, height } = row;
  const random = randomFrom(row.seed, 'signature');
  const size = Math.min(width, height) * random.between(0.055, 0.08);
  const loops = random.integer(5, 8);
  const long = loops * size * 0.55;
  const left = random.chance(0.6) ? width - long - size * 0.6 : size * 0.6;
  return signatureSvg({
    random,
    left,
    top: height - size * random.between(1.5, 1.9),
    height: size,
    loops,
    color: random.pick(['#120c08', '#2a0a08', '#f4efe0']),
  });
}

async function drawnOver(picture: Sharp, row: PlannedRow, shapes: string): Promise<Sharp> {
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${row.width}" height="${row.height}">${shapes}</svg>`;
  const data = await picture
    .composite([{ input: Buffer.from(svg) }])
    .removeAlpha()
    .raw()
    .toBuffer();
  return sharp(data, { raw: { width: row.width, height: row.height, channels: 3 } });
}

/** A photograph of the painting on toned paper: one hue, from the tone to paper white. */
async function toned(picture: Sharp, row: PlannedRow): Promise<Sharp> {
  const random = randomFrom(row.seed, 'scan');
  const tint = random.pick([
    { r: 160, g: 120, b: 80 },
    { r: 170, g: 135, b: 100 },
    { r: 110, g: 130, b: 150 },
  ]);
  const { data, info } = await picture.grayscale().raw().toBuffer({ resolveWithObject: true });
  const pixels = Buffer.alloc(row.width * row.height * 3);
  for (let i = 0; i < row.width * row.height; i++) {
    const gray = (data[i * info.channels] as number) / 255;
    for (const [c, value] of [tint.r, tint.g, tint.b].entries())
      pixels[i * 3 + c] = Math.round(gray < 0.5 ? 2 * gray * value : value + (2 * gray - 1) * (250 - value));
  }
  return sharp(pixels, { raw: { width: row.width, height: row.height, channels: 3 } });
}
