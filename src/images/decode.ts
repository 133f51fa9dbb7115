import sharp, { type Metadata, type Sharp } from 'sharp';
import type { Drop, Repair } from '../domain/dataset/measures.ts';
import type { Raster } from './raster.ts';

sharp.concurrency(1);
sharp.cache(false);

/** Most pixels that a picture may unfold to: beyond it is a decompression bomb, or needs more memory than a worker has. */
export const MAX_PIXELS = 120_000_000;
/** Most bytes of an encoded picture that are looked at. */
export const MAX_BYTES = 256 * 1024 * 1024;
/** Seconds after which libvips gives a picture up. */
const TIMEOUT_SECONDS = 60;
/** Formats that pictures of paintings come in; vector formats and documents are refused. */
const FORMATS = new Set(['jpeg', 'png', 'webp', 'tiff', 'gif', 'heif', 'avif']);

/** An upright picture that decoded without complaint, at its size and, smaller, as pixels. */
export interface Decoded {
  encodedBytes: number;
  /** The whole picture upright in 8-bit sRGB, to be cut and resized. */
  pixels(): Sharp;
  width: number;
  height: number;
  repairs: Repair[];
  /** At most `SURVEY_SIDE` pixels on the long side, for measuring. */
  survey: Raster;
}

/**
 * Pixels up to which a picture is decoded once and kept as it is; a larger one is decoded again for each purpose, smaller
 * where its format allows, so that memory does not grow with it.
 */
const ONCE_PIXELS = 4_000_000;

/** Long side of the raster that frames, colors and hashes are measured on. */
export const SURVEY_SIDE = 512;

/**
 * sharp with the strictest decoding that real photographs pass, upright, in 8-bit sRGB, transparency on white. Warnings count:
 * a JPEG that was cut off and ended anew gives no more than that, and its lower half is gray.
 */
function strictSharp(bytes: Uint8Array, header: Metadata): Sharp {
  const strict = sharp(bytes, { failOn: 'warning', limitInputPixels: MAX_PIXELS, autoOrient: true }).timeout({
    seconds: TIMEOUT_SECONDS,
  });
  const isPlain = header.space === 'srgb' && header.channels === 3 && header.depth === 'uchar';
  if (isPlain) return strict;
  // Without it sharp brings 16 bits with a profile to Display P3, whose numbers would be taken for sRGB's.
  const converted = header.depth === 'ushort' ? strict.pipelineColorspace('srgb') : strict;
  return converted.flatten({ background: '#ffffff' }).toColorspace('srgb');
}

/** Decodes a picture strictly, or says why it cannot be used. Never throws for what the bytes hold. */
export async function decodePicture(
  bytes: Uint8Array | null,
): Promise<{ ok: true; picture: Decoded } | { ok: false; drop: Drop }> {
  if (bytes === null || bytes.length === 0) return broken('no bytes');
  if (bytes.length > MAX_BYTES)
    return { ok: false, drop: { reason: 'too-many-pixels', measured: bytes.length, limit: MAX_BYTES } };
  const header = await sharp(bytes, { limitInputPixels: false })
    .metadata()
    .catch(() => null);
  if (header === null) return broken('no picture that libvips can read');
  if (!FORMATS.has(header.format)) return broken(`format ${header.format}`);
  if (header.compression === 'hevc')
    return broken('HEIC (HEVC), which cannot be decoded here: convert it to JPEG');
  try {
    const pixels = header.width * header.height;
    if (pixels > MAX_PIXELS)
      return { ok: false, drop: { reason: 'too-many-pixels', measured: pixels, limit: MAX_PIXELS } };
    const turned = (header.orientation ?? 1) >= 5;
    const pixelsOf =
      pixels <= ONCE_PIXELS ? await decodedOnce(bytes, header) : () => strictSharp(bytes, header);
    const { data, info } = await pixelsOf()
      .resize({ width: SURVEY_SIDE, height: SURVEY_SIDE, fit: 'inside', withoutEnlargement: true })
      .raw()
      .toBuffer({ resolveWithObject: true });
    if (info.channels !== 3) return broken(`${info.channels} channels`);
    return {
      ok: true,
      picture: {
        encodedBytes: bytes.length,
        pixels: pixelsOf,
        width: turned ? header.height : header.width,
        height: turned ? header.width : header.height,
        repairs: repairsOf(header),
        survey: { width: info.width, height: info.height, data },
      },
    };
  } catch {
    return broken(`damaged ${header.format}`);
  }
}

/** Whether a color profile is one of the sRGB family, by its description: then nothing was converted. */
function isSrgb(profile: Buffer): boolean {
  // Version 4 profiles hold their text as UTF-16.
  return profile.toString('latin1').replaceAll('\u0000', '').slice(0, 4096).includes('sRGB');
}

async function decodedOnce(bytes: Uint8Array, header: Metadata): Promise<() => Sharp> {
  const { data, info } = await strictSharp(bytes, header).raw().toBuffer({ resolveWithObject: true });
  const { width, height, channels } = info;
  return () => sharp(data, { raw: { width, height, channels } });
}

function repairsOf(header: Metadata): Repair[] {
  const repairs: Repair[] = [];
  if ((header.orientation ?? 1) !== 1) repairs.push('rotated');
  if (header.space === 'cmyk') repairs.push('cmyk');
  if (header.hasAlpha) repairs.push('alpha');
  if (header.icc !== undefined && header.space !== 'cmyk' && !isSrgb(header.icc)) repairs.push('icc');
  if (header.depth === 'ushort') repairs.push('16-bit');
  return repairs;
}

/**
 * A picture dropped as corrupt. `why` must be a function of its bytes, as the records are part of the dataset: not
 * libvips's own message, for libvips keeps one buffer of messages for all threads and they turn up in each other's errors.
 */
export function broken(why: string): { ok: false; drop: Drop } {
  return { ok: false, drop: { reason: 'corrupt', measured: why, limit: null } };
}
