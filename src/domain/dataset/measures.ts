import { z } from 'zod';
import { Sha256 } from '../refs.ts';
import { DropReason } from './record.ts';

/** What was mended in a picture on its way in. */
export const Repair = z.enum(['rotated', 'cmyk', 'alpha', 'icc', '16-bit', 'frame']);
export type Repair = z.infer<typeof Repair>;

/** 64-bit perceptual hash as 16 hexadecimal digits. */
export const PerceptualHash = z.string().regex(/^[0-9a-f]{16}$/);
export type PerceptualHash = z.infer<typeof PerceptualHash>;

/** What is measured of one picture, upright and with its frame trimmed. */
export const PictureMeasures = z.strictObject({
  /** Encoded size of the source: of two scans of one size, the larger file has lost less. */
  encodedBytes: z.int(),
  /** Upright size of the source in pixels, frame included. */
  width: z.int().min(1),
  height: z.int().min(1),
  /** What is left of it inside the frame: left, top, width, height in pixels. */
  box: z.tuple([z.int(), z.int(), z.int(), z.int()]),
  /** Mean CIELAB chroma, 0 for a grayscale picture. */
  chroma: z.number(),
  /** Mean CIELAB lightness, 0 to 100. */
  brightness: z.number(),
  /** Log10 of fine detail over detail at half the size, in the sharpest parts: about −0.4, below −0.8 when blurred. */
  sharpness: z.number(),
  /** Deviation of CIELAB colors from one hue, or among equally light pixels, the larger: near 0 for a toned photograph. */
  colorSpread: z.number(),
  /** Part of the height that is rows of one color, next to one another: half of it where a file was cut off and saved again. */
  flatPart: z.number(),
  /** Letters in the longest straight line of them. */
  letters: z.int(),
  /** Whether something is written at the foot. */
  signature: z.boolean(),
  /** `StyleFeatures` of the picture, three decimals. */
  style: z.array(z.number()),
  /** 32 × 32 luminance thumbnail, row by row, two hexadecimal digits a pixel: copies are found by it. */
  thumbnail: z.string().regex(/^[0-9a-f]{2048}$/),
  repairs: z.array(Repair),
});
export type PictureMeasures = z.infer<typeof PictureMeasures>;

/** A decision to leave a picture out: the reason, the value measured and the limit it was held against. */
export const Drop = z.strictObject({
  reason: DropReason,
  measured: z.union([z.number(), z.string()]).nullable(),
  limit: z.union([z.number(), z.string()]).nullable(),
});
export type Drop = z.infer<typeof Drop>;

/** A picture that passed every filter that looks at it alone. */
export const Candidate = z.strictObject({
  /** The user's own file where the source names it, else `file:row` in the source. */
  source: z.string(),
  /** Position in the source: file number × 2^32 + row; orders what is otherwise equal. */
  order: z.number(),
  artist: z.string(),
  genre: z.string(),
  style: z.string(),
  /** In the source's own words; empty: none. */
  caption: z.string(),
  measures: PictureMeasures,
  /** sha256 of the prepared pixels: 8-bit sRGB, row by row. */
  pixels: Sha256,
  /** Size of the prepared picture. */
  bucket: z.strictObject({ width: z.int(), height: z.int() }),
});
export type Candidate = z.infer<typeof Candidate>;

/** A picture's id: the first digits of its pixels' sha256. */
export function idOf(candidate: Candidate): string {
  return candidate.pixels.slice(0, 16);
}
