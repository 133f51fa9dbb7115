import type { Plane } from './raster.ts';

/** Lettering found in a picture. */
export interface Lettering {
  /** Letters in the longest straight line of them; a painting without a caption, stamp or address has few. */
  text: number;
  /** Whether there is something written at the foot of the picture: letters, or one thin running line. */
  signature: boolean;
}

/** Differences of luma from the surroundings at which pixels may belong to letters: the larger one parts letters that touch. */
const CONTRASTS = [42, 84];
/** The same for signatures alone, which are not painted to be read: mistaking strokes for one costs a mirror image, no picture. */
const SIGNED_CONTRAST = 36;
/** Half a side of the square that a pixel's surroundings are, in pixels of the survey. */
const SURROUND = 12;
/** Heights of letters that are looked for, in pixels of the survey. */
const SHORTEST = 6;
const TALLEST = 48;
/** Length in heights of the longest shape that may be letters that touch. */
const MAX_WORD = 14;
/** Fewest shapes on a line that are read as letters which touch. */
const MIN_SHAPES = 3;
/** Components beyond which a picture is texture through and through, and lines would be found by chance. */
const MAX_GLYPHS = 1500;

/** Part of the picture's height, from its foot, in which a signature is looked for. */
const FOOT = 0.22;

/**
 * Looks for lines of letters: thin shapes of one tone and of about one height that stand on one line, darker or lighter
 * than all around. Faint, slanted and very small lettering is not found, and rows of windows are not letters: they are
 * not thin.
 */
export function letteringOf(luma: Plane): Lettering {
  const around = boxMeans(luma, SURROUND);
  const found: Lettering = { text: 0, signature: false };
  for (const marks of marksOf(luma, around)) {
    const glyphs = glyphsOf(luma, around, marks);
    if (glyphs.length > MAX_GLYPHS) continue;
    if (marks.least !== SIGNED_CONTRAST)
      found.text = Math.max(found.text, longestLine(glyphs.filter(isLetter)));
    found.signature ||= isSigned(glyphs, luma);
  }
  return found;
}

/** A connected set of pixels that stand out from their surroundings. */
interface Glyph {
  left: number;
  top: number;
  right: number;
  bottom: number;
  area: number;
  /** Sides of pixels that border on other pixels. */
  edges: number;
  /** Sums of luma and of its squares. */
  sum: number;
  squares: number;
  /** Sum of what is around each pixel. */
  ground: number;
}

const heightOf = (g: Glyph): number => g.bottom - g.top + 1;
const widthOf = (g: Glyph): number => g.right - g.left + 1;
const toneOf = (g: Glyph): number => g.sum / g.area;
/** Width of the stroke that a shape is drawn with: exact for a long bar. */
const strokeOf = (g: Glyph): number => (2 * g.area) / g.edges;

/** Deviation of luma within a shape of one tone, and as a part of how far it stands out: thin black strokes on white are half gray. */
const ONE_TONE = 44;
const ONE_TONE_PART = 0.45;

function isOfOneTone(g: Glyph): boolean {
  const deviation = Math.sqrt(Math.max(0, g.squares / g.area - toneOf(g) ** 2));
  return deviation < Math.max(ONE_TONE, (ONE_TONE_PART * Math.abs(g.sum - g.ground)) / g.area);
}

/** Of a size and thinness that letters have, and of one tone. */
function isLetter(g: Glyph): boolean {
  const height = heightOf(g);
  const width = widthOf(g);
  if (height < SHORTEST || height > TALLEST || width > height * MAX_WORD || width < 2) return false;
  const fill = g.area / (width * height);
  // Letters that touch are one shape; it fills its box as evenly as they do.
  const least = width > height * 1.5 ? 0.3 : 0.2;
  return strokeOf(g) < height * 0.24 && fill > least && fill < 0.85 && isOfOneTone(g);
}

/** Letters that a shape stands for: more than one when they touch. */
function lettersOf(g: Glyph): number {
  return Math.max(1, Math.round(widthOf(g) / (heightOf(g) * 0.85)));
}

/** How far feet and heights of letters on one line may differ, in heights: small ones are off by a row of pixels at either end. */
const UNEVEN = 0.16;

/** Most letters on one line: alike in height, foot and tone, each near the one before. */
function longestLine(letters: readonly Glyph[]): number {
  const ordered = [...letters].sort((a, b) => a.left - b.left || a.top - b.top);
  let longest = 0;
  for (const [at, first] of ordered.entries()) {
    const height = heightOf(first);
    const line = [first];
    let last = first;
    for (let i = at + 1; i < ordered.length; i++) {
      const next = ordered[i] as Glyph;
      if (next.left - last.right > height * 2.2) break;
      if (next.left <= last.right - 1) continue;
      if (Math.abs(next.bottom - first.bottom) > Math.max(1, height * UNEVEN)) continue;
      if (Math.abs(heightOf(next) - height) > Math.max(1, height * 0.18)) continue;
      if (Math.abs(toneOf(next) - toneOf(first)) > 36) continue;
      last = next;
      line.push(next);
    }
    longest = Math.max(longest, lettersOn(line));
  }
  return longest;
}

/** Letters a shape on a line may stand for on average: pairs touch, while rows of brushstrokes are wide throughout. */
const MAX_PER_SHAPE = 2;
/** Luma by which a short line must stand out on average: people letter what is to be read. */
const STANDS_OUT = 60;
/** Shapes of a line that is long enough to be read as letters however faint it is. */
const LONG_LINE = 8;

/** Letters on a line of shapes. */
function lettersOn(line: readonly Glyph[]): number {
  // One or two long shapes are twigs, not words.
  if (line.length < MIN_SHAPES) return line.length;
  const contrast = line.reduce((sum, g) => sum + Math.abs(g.sum - g.ground) / g.area, 0) / line.length;
  if (line.length < LONG_LINE && contrast < STANDS_OUT) return MIN_SHAPES;
  const count = line.reduce((sum, g) => sum + lettersOf(g), 0);
  return Math.min(count, line.length * MAX_PER_SHAPE);
}

/** Letters that make a signature, and the length in heights of a running line that is one. */
const SIGNED_LETTERS = 4;
const RUNNING = 2;

function isSigned(glyphs: readonly Glyph[], { width, height }: Plane): boolean {
  const low = glyphs.filter((g) => g.top > height * (1 - FOOT) && g.bottom < height - 2);
  if (longestLine(low.filter(isLetter)) >= SIGNED_LETTERS) return true;
  return low.some((g) => {
    const [w, h] = [widthOf(g), heightOf(g)];
    const deviation = Math.sqrt(Math.max(0, g.squares / g.area - toneOf(g) ** 2));
    return (
      w >= h * RUNNING &&
      w > width * 0.06 &&
      w < width * 0.45 &&
      h >= 5 &&
      // A line that turns back on itself covers far more than its own length.
      g.area > w * strokeOf(g) * 1.6 &&
      g.area / (w * h) < 0.5 &&
      strokeOf(g) < Math.max(3.2, h * 0.22) &&
      deviation < 26
    );
  });
}

/** Connected components (with diagonals) of marked pixels. */
function glyphsOf(luma: Plane, around: Float32Array, marks: Marks): Glyph[] {
  const { marked, starts } = marks;
  const glyphs: Glyph[] = [];
  for (const start of starts.subarray(0, marks.count))
    if (marked[start] === 1) {
      const glyph = flood(start, { luma, around, marks });
      if (glyph.area >= 6) glyphs.push(glyph);
    }
  return glyphs;
}

/** Marks of pixels with an empty border all around, so that no neighbor needs a check: 1 marked, 2 visited. */
interface Marks {
  /** Contrast from which on pixels are marked. */
  least: number;
  marked: Uint8Array;
  stride: number;
  /** The marked pixels in the order of rows, and how many there are. */
  starts: Int32Array;
  count: number;
  /** Room for the pixels that are still to be visited. */
  stack: Int32Array;
}

/** The pixels that are lighter than around them by more than a contrast, then those that are darker, for each contrast. */
function marksOf({ width, height, data }: Plane, around: Float32Array): Marks[] {
  const stride = width + 2;
  const stack = new Int32Array(width * height);
  const foot = Math.floor(height * (1 - FOOT));
  const all = [...CONTRASTS, SIGNED_CONTRAST].flatMap((least) =>
    [1, -1].map((sign) => ({
      sign,
      top: least === SIGNED_CONTRAST ? foot : 0,
      marks: {
        least,
        marked: new Uint8Array(stride * (height + 2)),
        stride,
        starts: new Int32Array(width * height),
        count: 0,
        stack,
      },
    })),
  );
  for (let y = 0, i = 0; y < height; y++) {
    const looked = all.filter(({ top }) => y >= top);
    const lowest = Math.min(...looked.map(({ marks }) => marks.least));
    for (let x = 0, at = (y + 1) * stride + 1; x < width; x++, i++, at++) {
      const difference = (data[i] as number) - (around[i] as number);
      if (difference <= lowest && difference >= -lowest) continue;
      for (const { sign, marks } of looked)
        if (difference * sign > marks.least) {
          marks.marked[at] = 1;
          marks.starts[marks.count++] = at;
        }
    }
  }
  return all.map(({ marks }) => marks);
}

/** Visits everything that hangs together with a marked pixel. */
function flood(start: number, p: { luma: Plane; around: Float32Array; marks: Marks }): Glyph {
  const { marked, stride, stack } = p.marks;
  const { width, height, data } = p.luma;
  const steps = [-stride - 1, -stride, -stride + 1, -1, 1, stride - 1, stride, stride + 1];
  let [left, right, top, bottom] = [width, 0, height, 0];
  let [area, edges, sum, squares, ground] = [0, 0, 0, 0, 0];
  let depth = 1;
  stack[0] = start;
  marked[start] = 2;
  while (depth > 0) {
    depth -= 1;
    const at = stack[depth] as number;
    const y = Math.floor(at / stride) - 1;
    const x = at - (y + 1) * stride - 1;
    const value = data[y * width + x] as number;
    area += 1;
    sum += value;
    squares += value * value;
    ground += p.around[y * width + x] as number;
    if (x < left) left = x;
    if (x > right) right = x;
    if (y < top) top = y;
    if (y > bottom) bottom = y;
    for (let i = 0; i < 8; i++) {
      const next = at + (steps[i] as number);
      const mark = marked[next];
      if (mark === 1) {
        marked[next] = 2;
        stack[depth] = next;
        depth += 1;
      } else if (mark === 0 && (i === 1 || i === 3 || i === 4 || i === 6)) edges += 1;
    }
  }
  return { left, right, top, bottom, area, edges, sum, squares, ground };
}

/** Mean of the square around every pixel, from sums over rows and columns. */
function boxMeans({ width, height, data }: Plane, reach: number): Float32Array {
  const stride = width + 1;
  const sums = new Float64Array(stride * (height + 1));
  for (let y = 0, i = 0, at = stride + 1; y < height; y++, at++) {
    let row = 0;
    for (let x = 0; x < width; x++, i++, at++) {
      row += data[i] as number;
      sums[at] = (sums[at - stride] as number) + row;
    }
  }
  const left = Int32Array.from({ length: width }, (_, x) => Math.max(0, x - reach));
  const right = Int32Array.from({ length: width }, (_, x) => Math.min(width, x + reach + 1));
  const means = new Float32Array(width * height);
  for (let y = 0, i = 0; y < height; y++) {
    const [top, bottom] = [Math.max(0, y - reach), Math.min(height, y + reach + 1)];
    const [above, below] = [top * stride, bottom * stride];
    for (let x = 0; x < width; x++, i++) {
      const [from, to] = [left[x] as number, right[x] as number];
      const sum =
        (sums[below + to] as number) -
        (sums[above + to] as number) -
        (sums[below + from] as number) +
        (sums[above + from] as number);
      means[i] = sum / ((bottom - top) * (to - from));
    }
  }
  return means;
}
