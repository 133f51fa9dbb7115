import { deflateSync } from 'node:zlib';
import { describe, expect, it } from '@jest/globals';
import sharp from 'sharp';
import { nearLimit } from '../../src/domain/dataset/borderline.ts';
import { decodePicture } from '../../src/images/decode.ts';
import { wholeOf } from '../../src/images/frame.ts';
import { measurePixels } from '../../src/images/measure.ts';
import { candidateOf } from '../domain/candidate-in-test.ts';
import { crc32 } from './crc32.ts';
import { profileOf, SPACES, toSrgb } from './icc.ts';

const SIDE = 16;
const PATCHES = [
  [1, 0, 0],
  [0, 1, 0],
  [0, 0, 1],
  [0.78, 0.31, 0.16],
  [0.2, 0.4, 0.6],
  [0.5, 0.5, 0.5],
  [0.9, 0.85, 0.7],
  [0.05, 0.1, 0.05],
] as const;

/** A row of patches, each `SIDE` pixels wide, in the numbers of a space. */
async function patches(p: { depth: 8 | 16; channels: 3 | 4; format: 'png' | 'tiff' }) {
  const { channels, depth } = p;
  const most = depth === 16 ? 65535 : 255;
  const data =
    depth === 16
      ? new Uint16Array(PATCHES.length * SIDE * SIDE * channels)
      : new Uint8Array(PATCHES.length * SIDE * SIDE * channels);
  for (let y = 0; y < SIDE; y++)
    for (let x = 0; x < PATCHES.length * SIDE; x++)
      for (let c = 0; c < channels; c++)
        data[(y * PATCHES.length * SIDE + x) * channels + c] = Math.round(
          most * (c === 3 ? 1 : ((PATCHES[Math.floor(x / SIDE)] ?? [])[c] ?? 0)),
        );
  const raw = { width: PATCHES.length * SIDE, height: SIDE, channels };
  let picture = sharp(data, { raw });
  if (depth === 16) picture = picture.toColourspace('rgb16');
  return p.format === 'png' ? picture.png().toBuffer() : picture.tiff({ compression: 'lzw' }).toBuffer();
}

/** Middle of each patch as decoded. */
async function decoded(bytes: Uint8Array): Promise<number[][]> {
  const result = await decodePicture(bytes);
  if (!result.ok) throw new Error(String(result.drop.measured));
  const { data, info } = await result.picture.pixels().raw().toBuffer({ resolveWithObject: true });
  return PATCHES.map((_, at) => {
    const from = ((SIDE / 2) * info.width + at * SIDE + SIDE / 2) * info.channels;
    return [...data.subarray(from, from + 3)];
  });
}

const median = (values: number[]) => values.sort((a, b) => a - b)[values.length >> 1] as number;

describe('colors', () => {
  for (const depth of [8, 16] as const)
    for (const channels of [3, 4] as const)
      for (const format of ['png', 'tiff'] as const) {
        const name = `${depth} bits, ${channels} channels, ${format}`;
        it(`are those of sRGB without a profile: ${name}`, async () => {
          const got = await decoded(await patches({ depth, channels, format }));
          const errors = got
            .flat()
            .map((value, at) => Math.abs(value - Math.round(255 * (PATCHES.flat()[at] as number))));
          expect(Math.max(...errors)).toBeLessThanOrEqual(1);
        });
      }
});

/** Puts a profile into a PNG that has none, whose numbers stay as they are. */
function withProfile(png: Buffer, profile: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from('iCCPp\0\0', 'latin1'), deflateSync(profile)]);
  const chunk = Buffer.alloc(body.length + 8);
  chunk.writeUInt32BE(body.length - 4, 0);
  body.copy(chunk, 4);
  chunk.writeUInt32BE(crc32(body), body.length + 4);
  const afterHeader = 8 + 25;
  return Buffer.concat([png.subarray(0, afterHeader), chunk, png.subarray(afterHeader)]);
}

describe('colors in another space', () => {
  for (const space of SPACES)
    for (const depth of [8, 16] as const)
      for (const channels of [3, 4] as const)
        it(`are converted: ${space.name}, ${depth} bits, ${channels} channels`, async () => {
          const plain = await patches({ depth, channels, format: 'png' });
          const got = await decoded(withProfile(plain, profileOf(space)));
          const errors = PATCHES.flatMap((color, at) =>
            toSrgb(space, color).map((value, c) => Math.abs(value - ((got[at] ?? [])[c] ?? 0))),
          );
          expect(median(errors)).toBeLessThanOrEqual(1);
          expect(Math.max(...errors)).toBeLessThanOrEqual(6);
        });
});

describe('a damaged file', () => {
  const noise = () =>
    Buffer.from(Array.from({ length: 320 * 256 * 3 }, (_, at) => (at * 7919 + ((at * at) >> 7)) & 255));
  const jpeg = (progressive: boolean) =>
    sharp(noise(), { raw: { width: 320, height: 256, channels: 3 } })
      .jpeg({ quality: 80, progressive })
      .toBuffer();

  it.each([false, true])(
    'that is cut in half and ended properly is refused, progressive: %s',
    async (progressive) => {
      const bytes = await jpeg(progressive);
      const half = Buffer.concat([bytes.subarray(0, bytes.length >> 1), Buffer.from([0xff, 0xd9])]);
      expect(await decodePicture(bytes)).toMatchObject({ ok: true });
      expect(await decodePicture(half)).toMatchObject({
        ok: false,
        drop: { reason: 'corrupt', measured: 'damaged jpeg' },
      });
    },
  );

  it('that was cut off and saved again is sound, and marked for another look', async () => {
    const gray = { create: { width: 320, height: 120, channels: 3, background: '#808080' } } as const;
    const bytes = await sharp(noise(), { raw: { width: 320, height: 256, channels: 3 } })
      .composite([{ input: await sharp(gray).png().toBuffer(), gravity: 'south' }])
      .jpeg()
      .toBuffer();
    const flat = async (picture: Buffer) => {
      const result = await decodePicture(picture);
      if (!result.ok) throw new Error('expected a picture');
      const { survey } = result.picture;
      return measurePixels(survey, wholeOf(survey)).flatPart;
    };
    expect(await flat(bytes)).toBeGreaterThan(0.4);
    expect(await flat(await jpeg(false))).toBeLessThan(0.1);
    const candidate = candidateOf(0);
    candidate.measures.flatPart = 0.47;
    const limits = {
      minShortSide: 100,
      maxAspectRatio: 3,
      minChroma: 0,
      minColorSpread: 0,
      maxLetters: null,
    };
    expect(nearLimit(candidate, limits)).toEqual({ doubt: 'half-flat', measured: 0.47, limit: 0.25 });
    expect(nearLimit(candidateOf(0), limits)).toBeNull();
  });
});
