import { STYLE_FEATURES } from '../domain/dataset/style.ts';
import { averageDown, type Plane } from './raster.ts';

/** CIELAB values of sampled pixels. */
export interface LabSamples {
  lightness: Float32Array;
  a: Float32Array;
  b: Float32Array;
}

/** The figures of `STYLE_FEATURES` for one picture: its sampled colors and a square luminance plane of 256 pixels a side. */
export function styleFeatures(colors: LabSamples, luma: Plane): number[] {
  const features = [...colorFeatures(colors), ...toneFeatures(colors, luma), ...detailFeatures(luma)];
  if (features.length !== STYLE_FEATURES.length)
    throw new RangeError(`Expected ${STYLE_FEATURES.length} features, got ${features.length}`);
  return features.map((value) => Math.round(value * 1000) / 1000);
}

function colorFeatures({ lightness, a, b }: LabSamples): number[] {
  const chroma = a.map((value, i) => Math.sqrt(value * value + (b[i] as number) ** 2));
  const hues = new Array<number>(6).fill(0);
  let weight = 1e-6;
  for (const [i, c] of chroma.entries()) {
    const angle = Math.atan2(b[i] as number, a[i] as number) / (2 * Math.PI);
    const bin = Math.floor((angle - Math.floor(angle)) * 6) % 6;
    hues[bin] = (hues[bin] as number) + c;
    weight += c;
  }
  const stats = [lightness, chroma, a, b].map(momentsOf);
  const [l, c, ma, mb] = stats as [Moments, Moments, Moments, Moments];
  return [
    l.mean / 100,
    l.deviation / 100,
    c.mean / 50,
    c.deviation / 50,
    ma.mean / 50,
    mb.mean / 50,
    ma.deviation / 50,
    mb.deviation / 50,
    ...hues.map((value) => Math.sqrt(value / weight)),
  ];
}

interface Moments {
  mean: number;
  deviation: number;
}

function momentsOf(values: Float32Array): Moments {
  let [sum, squares] = [0, 0];
  for (const value of values) {
    sum += value;
    squares += value * value;
  }
  const mean = sum / values.length;
  return { mean, deviation: Math.sqrt(Math.max(0, squares / values.length - mean * mean)) };
}

function toneFeatures({ lightness }: LabSamples, luma: Plane): number[] {
  const sorted = lightness.slice().sort();
  const at = (part: number) => (sorted[Math.floor((sorted.length - 1) * part)] as number) / 100;
  const { width, height, data } = luma;
  let [flat, outlines] = [0, 0];
  const tones = new Uint32Array(64);
  for (let y = 1; y < height - 1; y++)
    for (let x = 1; x < width - 1; x++) {
      const i = y * width + x;
      const value = data[i] as number;
      const across = Math.abs((data[i + 1] as number) - (data[i - 1] as number));
      const down = Math.abs((data[i + width] as number) - (data[i - width] as number));
      if (across < 3 && down < 3) flat += 1;
      if (value < 60 && Math.max(across, down) > 40) outlines += 1;
      const tone = value >> 2;
      tones[tone] = (tones[tone] as number) + 1;
    }
  const count = (width - 2) * (height - 2);
  let entropy = 0;
  for (const n of tones) if (n > 0) entropy -= (n / count) * Math.log2(n / count);
  return [at(0.1), at(0.9), Math.sqrt(flat / count), Math.sqrt(outlines / count), entropy / 6];
}

function detailFeatures(luma: Plane): number[] {
  const scales = [luma, ...[128, 64, 32].map((side) => averageDown(luma, side, side))];
  return [...scales.map((plane) => Math.log10(1 + detailOf(plane)) / 2), ...edgesOf(scales[1] as Plane)];
}

/** Mean absolute Laplacian. */
function detailOf({ width, height, data }: Plane): number {
  let sum = 0;
  for (let y = 1; y < height - 1; y++)
    for (let x = 1; x < width - 1; x++) {
      const i = y * width + x;
      sum += Math.abs(
        4 * (data[i] as number) -
          (data[i - 1] as number) -
          (data[i + 1] as number) -
          (data[i - width] as number) -
          (data[i + width] as number),
      );
    }
  return sum / ((width - 2) * (height - 2));
}

/** Part of strong edges, how unevenly edges are spread, how far they keep to one direction. */
function edgesOf({ width, height, data }: Plane): number[] {
  let [strong, sum, squares, cos, sin] = [0, 0, 0, 0, 0];
  for (let y = 1; y < height - 1; y++)
    for (let x = 1; x < width - 1; x++) {
      const i = y * width + x;
      const gx = (data[i + 1] as number) - (data[i - 1] as number);
      const gy = (data[i + width] as number) - (data[i - width] as number);
      const size = Math.sqrt(gx * gx + gy * gy);
      if (size > 50) strong += 1;
      sum += size;
      squares += size * size;
      if (size > 0) {
        // Directions a half turn apart are one: the angle is doubled.
        cos += (gx * gx - gy * gy) / size;
        sin += (2 * gx * gy) / size;
      }
    }
  const count = (width - 2) * (height - 2);
  const mean = sum / count;
  const spread = Math.sqrt(Math.max(0, squares / count - mean * mean)) / (mean + 1);
  return [Math.sqrt(strong / count), spread, Math.hypot(cos, sin) / (sum + 1)];
}
