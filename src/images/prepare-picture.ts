import { createHash } from 'node:crypto';
import sharp from 'sharp';
import { type Bucket, nearestBucket } from '../domain/dataset-buckets.ts';
import { dropOf } from '../domain/dataset-filters.ts';
import type { Drop, PictureMeasures } from '../domain/dataset-measures.ts';
import { Sha256 } from '../domain/refs.ts';
import type { DatasetConfig } from '../domain/run-config.ts';
import { broken, type Decoded, decodePicture, strictSharp } from './decode.ts';
import { insideFrame, wholeOf } from './frame.ts';
import { measurePixels } from './measure.ts';
import type { Box, Raster } from './raster.ts';

/** A picture ready for training: PNG of the bucket's size, and what was measured on the way. */
export interface PreparedPicture {
  measures: PictureMeasures;
  bucket: Bucket;
  /** sha256 of the prepared pixels. */
  pixels: Sha256;
  png: Buffer;
}

/** A picture that is left out; `survey` is its decoded thumbnail where it could be decoded. */
export interface RefusedPicture {
  drop: Drop;
  survey: Raster | null;
}

export type PictureOutcome = ({ ok: true } & PreparedPicture) | ({ ok: false } & RefusedPicture);

/** Decodes, cleans, measures, filters and resizes one picture; never throws for what its bytes hold. */
export async function preparePicture(
  bytes: Uint8Array | null,
  config: DatasetConfig,
  buckets: readonly Bucket[],
): Promise<PictureOutcome> {
  const decoded = await decodePicture(bytes);
  if (!decoded.ok) return { ok: false, drop: decoded.drop, survey: null };
  const { picture } = decoded;
  const inner = insideFrame(picture.survey);
  const box = boxInSource(picture, inner);
  const measures = measuresOf(picture, inner, box);
  const drop = dropOf(measures, config);
  if (drop !== null) return { ok: false, drop, survey: picture.survey };
  const bucket = nearestBucket(buckets, box.width, box.height);
  const fit = await fitToBucket(picture, box, bucket);
  if (!fit.ok) return { ok: false, drop: fit.drop, survey: picture.survey };
  return { ok: true, measures, bucket, pixels: fit.pixels, png: fit.png };
}

function measuresOf(picture: Decoded, inner: Box, box: Box): PictureMeasures {
  const framed = inner.width < picture.survey.width || inner.height < picture.survey.height;
  return {
    encodedBytes: picture.bytes.length,
    width: picture.width,
    height: picture.height,
    box: [box.left, box.top, box.width, box.height],
    ...measurePixels(picture.survey, inner),
    repairs: framed ? [...picture.repairs, 'frame'] : picture.repairs,
  };
}

/** The survey's box in source pixels, rounded inwards by what one survey pixel covers. */
function boxInSource(picture: Decoded, inner: Box): Box {
  const whole = wholeOf(picture.survey);
  const scaleX = picture.width / whole.width;
  const scaleY = picture.height / whole.height;
  const left = Math.ceil(inner.left * scaleX);
  const top = Math.ceil(inner.top * scaleY);
  return {
    left,
    top,
    width: Math.floor((inner.left + inner.width) * scaleX) - left,
    height: Math.floor((inner.top + inner.height) * scaleY) - top,
  };
}

async function fitToBucket(
  picture: Decoded,
  box: Box,
  bucket: Bucket,
): Promise<{ ok: true; pixels: Sha256; png: Buffer } | { ok: false; drop: Drop }> {
  try {
    const { data } = await strictSharp(picture.bytes)
      .extract(box)
      .resize({ ...bucket, fit: 'cover', position: 'centre', kernel: 'lanczos3' })
      .removeAlpha()
      .raw()
      .toBuffer({ resolveWithObject: true });
    const png = await sharp(data, { raw: { ...bucket, channels: 3 } })
      .png({ compressionLevel: 6, adaptiveFiltering: false })
      .toBuffer();
    return { ok: true, pixels: Sha256.parse(createHash('sha256').update(data).digest('hex')), png };
  } catch {
    return broken('pixels that cannot be decoded at full size');
  }
}
