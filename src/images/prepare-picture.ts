import { createHash } from 'node:crypto';
import sharp, { type Sharp } from 'sharp';
import type { DatasetConfig } from '../domain/config/run-config.ts';
import { type Bucket, nearestBucket } from '../domain/dataset/buckets.ts';
import { dropOf } from '../domain/dataset/filters.ts';
import type { Drop, PictureMeasures } from '../domain/dataset/measures.ts';
import { Sha256 } from '../domain/refs.ts';
import { broken, type Decoded, decodePicture } from './decode.ts';
import { insideFrame, wholeOf } from './frame.ts';
import { measurePixels } from './measure.ts';
import type { Box, Raster } from './raster.ts';

/** A picture ready for training, and what was measured on the way. */
export interface PreparedPicture {
  measures: PictureMeasures;
  /** Size that training sees; with `randomCrop` the stored picture may exceed one side of it. */
  bucket: Bucket;
  /** sha256 of the prepared pixels. */
  pixels: Sha256;
  /** As the dataset stores it. */
  encoded: Buffer;
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
  const fit = await fitToBucket(picture, { box, bucket, config });
  if (!fit.ok) return { ok: false, drop: fit.drop, survey: picture.survey };
  return { ok: true, measures, bucket, pixels: fit.pixels, encoded: fit.encoded };
}

function measuresOf(picture: Decoded, inner: Box, box: Box): PictureMeasures {
  const framed = inner.width < picture.survey.width || inner.height < picture.survey.height;
  return {
    encodedBytes: picture.encodedBytes,
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

/** Pixels beyond the bucket along one side from which on storing them is worth it. */
const MIN_SURPLUS = 16;

/**
 * The size a picture is resized to so that it covers its bucket: one side is the bucket's, the other exceeds it by less
 * than half the step between buckets. Without `randomCrop`, or when next to nothing lies beyond, the bucket itself.
 */
export function storedSize(
  box: { width: number; height: number },
  bucket: Bucket,
  randomCrop: boolean,
): Bucket {
  const scale = Math.max(bucket.width / box.width, bucket.height / box.height);
  const width = Math.max(bucket.width, Math.round(box.width * scale));
  const height = Math.max(bucket.height, Math.round(box.height * scale));
  const surplus = Math.max(width - bucket.width, height - bucket.height);
  return randomCrop && surplus >= MIN_SURPLUS ? { width, height } : bucket;
}

async function fitToBucket(
  picture: Decoded,
  p: { box: Box; bucket: Bucket; config: DatasetConfig },
): Promise<{ ok: true; pixels: Sha256; encoded: Buffer } | { ok: false; drop: Drop }> {
  const { box, bucket, config } = p;
  try {
    const whole = box.width === picture.width && box.height === picture.height;
    const cut = whole ? picture.pixels() : picture.pixels().extract(box);
    const { data, info } = await cut
      .resize({
        ...storedSize(box, bucket, config.randomCrop),
        fit: 'cover',
        position: 'center',
        kernel: 'lanczos3',
      })
      .raw()
      .toBuffer({ resolveWithObject: true });
    const { width, height } = info;
    const encoded = await encode(sharp(data, { raw: { width, height, channels: 3 } }), config.encoding);
    return { ok: true, pixels: Sha256.parse(createHash('sha256').update(data).digest('hex')), encoded };
  } catch {
    return broken('pixels that cannot be decoded at full size');
  }
}

function encode(picture: Sharp, encoding: DatasetConfig['encoding']): Promise<Buffer> {
  switch (encoding) {
    case 'png':
      return picture.png({ compressionLevel: 6, adaptiveFiltering: false }).toBuffer();
    case 'jpeg':
      // Optimal Huffman tables save a few per cent and cost more than all the rest of the encoder.
      return picture.jpeg({ quality: 95, chromaSubsampling: '4:4:4', optimizeCoding: false }).toBuffer();
  }
}
