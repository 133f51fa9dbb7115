import sharp, { type Sharp } from 'sharp';
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
    case 'mislabelled':
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
    case 'greyscale':
      return jpeg(picture.greyscale().toColourspace('b-w'));
    case 'framed':
      return jpeg(await framed(picture, row));
    case 'exif-rotated':
      // Stored lying on its left side; orientation 6 tells a viewer to turn it back.
      return jpeg(picture.rotate(270).withMetadata({ orientation: 6 }));
    case 'cmyk':
      return jpeg(picture.toColourspace('cmyk'));
    case 'alpha':
      return { bytes: await cutOut(picture, row), extension: 'png' };
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
