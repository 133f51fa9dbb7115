import { THUMBNAIL_SIDE } from '../domain/dataset/likeness.ts';
import type { PictureMeasures } from '../domain/dataset/measures.ts';
import { letteringOf } from './lettering.ts';
import { averageDown, type Box, luminanceOf, type Plane, type Raster } from './raster.ts';
import { type LabSamples, styleFeatures } from './style-features.ts';

/** What is computed from the pixels of one picture inside its frame. */
export type PixelMeasures = Pick<
  PictureMeasures,
  | 'chroma'
  | 'brightness'
  | 'sharpness'
  | 'colorSpread'
  | 'letters'
  | 'signature'
  | 'style'
  | 'thumbnail'
  | 'flatPart'
>;

/** Side of the square plane that style is measured on. */
const STYLE_SOURCE = 256;

/** Measures the part of a raster inside a box. */
export function measurePixels(raster: Raster, box: Box): PixelMeasures {
  const luminance = luminanceOf(raster, box);
  const square = averageDown(luminance, STYLE_SOURCE, STYLE_SOURCE);
  const colors = sampleColors(raster, box);
  const { text, signature } = letteringOf(luminance);
  return {
    ...colorOf(colors),
    sharpness: sharpnessOf(luminance),
    flatPart: flatPartOf(luminance),
    letters: text,
    signature,
    style: styleFeatures(colors, square),
    thumbnail: hexOf(averageDown(square, THUMBNAIL_SIDE, THUMBNAIL_SIDE).data),
  };
}

/** Deviation of luma along a row, and from one row to the next, below which rows are of one color. */
const ONE_COLOR = 2;

/** The longest run of rows of one color, as a part of the height. */
function flatPartOf({ width, height, data }: Plane): number {
  let [longest, run, before] = [0, 0, Number.NaN];
  for (let y = 0; y < height; y++) {
    let [sum, squares] = [0, 0];
    for (let x = 0; x < width; x++) {
      const value = data[y * width + x] as number;
      sum += value;
      squares += value * value;
    }
    const mean = sum / width;
    const isFlat = Math.sqrt(Math.max(0, squares / width - mean * mean)) < ONE_COLOR;
    run = !isFlat ? 0 : Math.abs(mean - before) < ONE_COLOR ? run + 1 : 1;
    before = mean;
    longest = Math.max(longest, run);
  }
  return round(longest / height);
}

/** Pixels a side that colors are sampled at: means do not need more. */
const COLOR_SAMPLES = 64;

function sampleColors(raster: Raster, box: Box): LabSamples {
  const columns = Math.min(COLOR_SAMPLES, box.width);
  const rows = Math.min(COLOR_SAMPLES, box.height);
  const count = columns * rows;
  const samples = {
    lightness: new Float32Array(count),
    a: new Float32Array(count),
    b: new Float32Array(count),
  };
  for (let row = 0; row < rows; row++)
    for (let column = 0; column < columns; column++) {
      const y = box.top + Math.floor(((row + 0.5) * box.height) / rows);
      const x = box.left + Math.floor(((column + 0.5) * box.width) / columns);
      const from = (y * raster.width + x) * 3;
      const [l, a, b] = labOf(
        raster.data[from] as number,
        raster.data[from + 1] as number,
        raster.data[from + 2] as number,
      );
      const at = row * columns + column;
      samples.lightness[at] = l;
      samples.a[at] = a;
      samples.b[at] = b;
    }
  return samples;
}

/** Bands of lightness, within each of which a toned photograph has one color. */
const TONES = 16;

function colorOf({
  lightness,
  a,
  b,
}: LabSamples): Pick<PixelMeasures, 'chroma' | 'brightness' | 'colorSpread'> {
  const bands = Array.from({ length: TONES }, () => ({ n: 0, a: 0, b: 0, squares: 0 }));
  let [chroma, brightness, xx, xy, yy] = [0, 0, 0, 0, 0];
  for (const [i, l] of lightness.entries()) {
    const [x, y] = [a[i] as number, b[i] as number];
    chroma += Math.sqrt(x * x + y * y);
    brightness += l;
    xx += x * x;
    xy += x * y;
    yy += y * y;
    const band = bands[Math.min(TONES - 1, Math.max(0, Math.floor((l / 100) * TONES)))] as (typeof bands)[0];
    band.n += 1;
    band.a += x;
    band.b += y;
    band.squares += x * x + y * y;
  }
  const count = lightness.length;
  const within = bands.reduce(
    (sum, { n, a: x, b: y, squares }) => (n === 0 ? sum : sum + squares - (x * x + y * y) / n),
    0,
  );
  // Second moment across the main hue: the smaller eigenvalue.
  const across = (xx + yy - Math.hypot(xx - yy, 2 * xy)) / 2;
  return {
    chroma: round(chroma / count),
    brightness: round(brightness / count),
    // A toned photograph has one hue and, where it is equally light, one color: both spreads are near 0.
    colorSpread: round(Math.sqrt(Math.max(0, within, across) / count)),
  };
}

const LINEAR = Float64Array.from({ length: 256 }, (_, value) => {
  const v = value / 255;
  return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
});

/** CIELAB (D65) of an 8-bit sRGB color. */
export function labOf(red: number, green: number, blue: number): [number, number, number] {
  const r = LINEAR[red] as number;
  const g = LINEAR[green] as number;
  const b = LINEAR[blue] as number;
  const x = labCurve((0.4124564 * r + 0.3575761 * g + 0.1804375 * b) / 0.95047);
  const y = labCurve(0.2126729 * r + 0.7151522 * g + 0.072175 * b);
  const z = labCurve((0.0193339 * r + 0.119192 * g + 0.9503041 * b) / 1.08883);
  return [116 * y - 16, 500 * (x - y), 200 * (y - z)];
}

function labCurve(t: number): number {
  return t > 0.008856 ? Math.cbrt(t) : 7.787 * t + 16 / 116;
}

/** Long side at which sharpness is measured, so that scans of different sizes compare. */
const SHARPNESS_SIDE = 256;
/** Cells a side of the grid in which sharpness is measured: a smooth painting is sharp somewhere, a blurred scan nowhere. */
const GRID = 8;
/** Keeps the ratio of two flat pictures finite. */
const FLAT = 0.1;

/**
 * How much of the detail at half size is there at full size as well. A blurred scan of broad strokes loses the fine detail
 * alone; a smooth painting has little of either, and its ratio stays that of a sharp one.
 */
function sharpnessOf(luminance: Plane): number {
  const scale = Math.min(1, SHARPNESS_SIDE / Math.max(luminance.width, luminance.height));
  const detailAt = (part: number): number =>
    detailOf(
      averageDown(
        luminance,
        Math.max(3, Math.round(luminance.width * part)),
        Math.max(3, Math.round(luminance.height * part)),
      ),
    );
  return round(Math.log10((detailAt(scale) + FLAT) / (detailAt(scale / 2) + FLAT)));
}

/** Variance of the Laplacian in the cell of the grid that a tenth of the cells exceed. */
function detailOf({ width, height, data }: Plane): number {
  const cells = Array.from({ length: GRID * GRID }, () => ({ sum: 0, squares: 0, count: 0 }));
  const cellOfColumn = Uint8Array.from({ length: width }, (_, x) => Math.floor((x * GRID) / width));
  for (let y = 1; y < height - 1; y++) {
    const cellRow = Math.floor((y * GRID) / height) * GRID;
    for (let x = 1; x < width - 1; x++) {
      const at = y * width + x;
      const laplacian =
        (data[at - 1] as number) +
        (data[at + 1] as number) +
        (data[at - width] as number) +
        (data[at + width] as number) -
        4 * (data[at] as number);
      const cell = cells[cellRow + (cellOfColumn[x] as number)] as (typeof cells)[number];
      cell.sum += laplacian;
      cell.squares += laplacian * laplacian;
      cell.count += 1;
    }
  }
  const variances = cells
    .filter(({ count }) => count > 0)
    .map(({ sum, squares, count }) => squares / count - (sum / count) ** 2)
    .sort((a, b) => b - a);
  return variances[Math.floor(variances.length / 10)] ?? 0;
}

function hexOf(values: Float32Array): string {
  let hex = '';
  for (const value of values)
    hex += Math.max(0, Math.min(255, Math.round(value)))
      .toString(16)
      .padStart(2, '0');
  return hex;
}

/** Four decimals are more than a decision needs and keep records short. */
function round(value: number): number {
  return Math.round(value * 10_000) / 10_000;
}
