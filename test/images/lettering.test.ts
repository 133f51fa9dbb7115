import { describe, expect, it } from '@jest/globals';
import sharp from 'sharp';
import { mayBeMirrored } from '../../src/domain/dataset/captions.ts';
import { wholeOf } from '../../src/images/frame.ts';
import { letteringOf } from '../../src/images/lettering.ts';
import { storedSize } from '../../src/images/prepare-picture.ts';
import { luminanceOf } from '../../src/images/raster.ts';
import { letteringSvg, signatureSvg } from '../../src/wikiart/synthetic/lettering.ts';
import { paint } from '../../src/wikiart/synthetic/painter.ts';
import { randomFrom } from '../../src/wikiart/synthetic/random.ts';
import { candidateOf } from '../domain/candidate-in-test.ts';

const [width, height] = [360, 280];

async function letteringWith(shapes: string) {
  const pixels = await paint({ seed: 21, style: 'Impressionism', genre: 'landscape', width, height });
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}">${shapes}</svg>`;
  const { data } = await sharp(pixels, { raw: { width, height, channels: 3 } })
    .composite([{ input: Buffer.from(svg) }])
    .removeAlpha()
    .raw()
    .toBuffer({ resolveWithObject: true });
  const raster = { width, height, data };
  return letteringOf(luminanceOf(raster, wholeOf(raster)));
}

describe('lettering', () => {
  it('is not seen in brushwork', async () => {
    const { text } = await letteringWith('');
    expect(text).toBeLessThan(5);
  });

  it('is seen in a caption along the foot', async () => {
    const random = randomFrom(3, 'caption');
    const strip = `<rect y="${height - 22}" width="${width}" height="22" fill="#f4f0e6"/>`;
    const letters = letteringSvg({
      random,
      left: 20,
      top: height - 17,
      width: width - 60,
      cell: 1.8,
      fill: '#101010',
      opacity: 1,
    });
    const { text } = await letteringWith(strip + letters);
    expect(text).toBeGreaterThan(9);
  });

  it('is not seen in a row of windows, which are not thin', async () => {
    const windows = Array.from(
      { length: 14 },
      (_, i) => `<rect x="${14 + i * 24}" y="120" width="14" height="20" fill="#181410"/>`,
    ).join('');
    const { text } = await letteringWith(windows);
    expect(text).toBeLessThan(6);
  });

  it('is not seen in three wide shapes on a line, as brushstrokes under a row of roofs are', async () => {
    const shape = (x: number) =>
      `<path d="M${x} 120h31M${x} 126h31M${x} 132h31M${x + 2} 119v14" stroke="#181410" stroke-width="3" fill="none"/>`;
    const { text } = await letteringWith([60, 100, 140].map(shape).join(''));
    expect(text).toBeLessThanOrEqual(6);
  });

  it('is seen in one short word', async () => {
    const word = letteringSvg({
      random: randomFrom(9, 'word'),
      left: 20,
      top: height - 22,
      width: 8 * 6 * 2,
      cell: 2,
      fill: '#ffffff',
      opacity: 1,
    });
    const strip = `<rect y="${height - 26}" width="${width}" height="26" fill="#202020"/>`;
    const { text } = await letteringWith(strip + word);
    expect(text).toBeGreaterThan(3);
  });

  it('is a signature where one thin line runs at the foot, and forbids mirroring', async () => {
    const name = signatureSvg({
      random: randomFrom(4, 'name'),
      left: 230,
      top: height - 34,
      height: 20,
      loops: 7,
      color: '#0c0806',
    });
    const { signature } = await letteringWith(name);
    expect(signature).toBe(true);
    const plain = candidateOf(1);
    expect(mayBeMirrored(plain)).toBe(true);
    expect(mayBeMirrored({ ...plain, measures: { ...plain.measures, signature } })).toBe(false);
    expect(mayBeMirrored({ ...plain, measures: { ...plain.measures, letters: 6 } })).toBe(false);
  });
});

describe('the stored size', () => {
  const bucket = { width: 768, height: 768 };
  it('keeps what lies beyond the bucket along the longer side', () => {
    expect(storedSize({ width: 1040, height: 1000 }, bucket, true)).toEqual({ width: 799, height: 768 });
  });
  it('is the bucket when next to nothing lies beyond it, and without random crops', () => {
    expect(storedSize({ width: 1010, height: 1000 }, bucket, true)).toEqual(bucket);
    expect(storedSize({ width: 1040, height: 1000 }, bucket, false)).toEqual(bucket);
  });
});
