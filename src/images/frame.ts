import type { Box, Raster } from './raster.ts';

/** Largest standard deviation of a channel along an edge line that still counts as one color (JPEG noise included). */
const UNIFORM_DEVIATION = 9;
/** Largest difference of a channel's mean between a line and the frame's color. */
const SAME_COLOR = 14;
/** Part of a side beyond which uniform lines are the picture itself, not its frame. */
const WIDEST_FRAME = 0.3;
/** Frame within mat within margin: how many bands are peeled off. */
const MAX_BANDS = 3;

/** The whole of a raster. */
export function wholeOf(raster: Raster): Box {
  return { left: 0, top: 0, width: raster.width, height: raster.height };
}

/**
 * The picture inside its frame or scan margin. Careful: a band is taken off only where all four sides, or two opposite
 * ones in near-black or near-white, are lines of one color; a plain sky on one side is never a frame.
 */
export function insideFrame(raster: Raster): Box {
  let box = wholeOf(raster);
  for (let band = 0; band < MAX_BANDS; band++) {
    const inner = peel(raster, box);
    if (inner === null) break;
    box = inner;
  }
  return box;
}

const SIDES = ['top', 'bottom', 'left', 'right'] as const;
type Side = (typeof SIDES)[number];
type Color = readonly [number, number, number];

function peel(raster: Raster, box: Box): Box | null {
  const edges = {
    top: edgeOf(raster, box, 'top'),
    bottom: edgeOf(raster, box, 'bottom'),
    left: edgeOf(raster, box, 'left'),
    right: edgeOf(raster, box, 'right'),
  };
  const { top, bottom, left, right } = edges;
  const all = [top, bottom, left, right];
  const framed = all.every((e) => e.lines > 0 && near(e.color, top.color));
  const banded = (a: Edge, b: Edge): boolean =>
    a.lines > 0 && b.lines > 0 && near(a.color, b.color) && isPaperOrBlack(a.color);
  const takeRows = framed || banded(top, bottom);
  const takeColumns = framed || banded(left, right);
  if (!takeRows && !takeColumns) return null;
  const cut = {
    top: takeRows ? top.lines : 0,
    bottom: takeRows ? bottom.lines : 0,
    left: takeColumns ? left.lines : 0,
    right: takeColumns ? right.lines : 0,
  };
  const inner = {
    left: box.left + cut.left,
    top: box.top + cut.top,
    width: box.width - cut.left - cut.right,
    height: box.height - cut.top - cut.bottom,
  };
  if (!edgesAreSharp(raster, box, inner, edges)) return null;
  const tooMuch =
    inner.width < raster.width * (1 - 2 * WIDEST_FRAME) ||
    inner.height < raster.height * (1 - 2 * WIDEST_FRAME);
  return tooMuch || inner.width < 16 || inner.height < 16 ? null : inner;
}

/** Part of the first line inside a frame that differs from the frame's color, at the least. */
const SHARP_EDGE = 0.5;

/**
 * Whether a frame ends all along each peeled side at once: what lies on a plain ground begins here and there, and that
 * ground belongs to the picture.
 */
function edgesAreSharp(raster: Raster, outer: Box, inner: Box, edges: Record<Side, Edge>): boolean {
  const peeled: Record<Side, boolean> = {
    top: inner.top > outer.top,
    bottom: inner.top + inner.height < outer.top + outer.height,
    left: inner.left > outer.left,
    right: inner.left + inner.width < outer.left + outer.width,
  };
  return SIDES.every(
    (side) => !peeled[side] || differingPart(raster, inner, side, edges[side].color) >= SHARP_EDGE,
  );
}

/** Part of the second line inside a side (the first may hold JPEG's halo) that is not of a color. */
function differingPart(raster: Raster, box: Box, side: Side, color: Color): number {
  const { offset, stride, length } = walkOf(raster, box, side, 1);
  let differing = 0;
  for (let i = 0; i < length; i++) {
    const at = offset + i * stride;
    if (color.some((value, c) => Math.abs(value - (raster.data[at + c] as number)) > SAME_COLOR))
      differing += 1;
  }
  return differing / length;
}

interface Edge {
  /** Lines of one color from this side inwards; 0: none, or so many that it is no frame. */
  lines: number;
  color: Color;
}

function edgeOf(raster: Raster, box: Box, side: Side): Edge {
  const depth = side === 'top' || side === 'bottom' ? box.height : box.width;
  const most = Math.floor(depth * WIDEST_FRAME);
  let color: Color = [0, 0, 0];
  let lines = 0;
  for (; lines <= most; lines++) {
    const line = lineOf(raster, box, side, lines);
    if (line.deviation > UNIFORM_DEVIATION) break;
    if (lines === 0) color = line.mean;
    else if (!near(line.mean, color)) break;
  }
  return { lines: lines > most ? 0 : lines, color };
}

/** How to walk along the line `at` lines in from a side: first byte, bytes from pixel to pixel, pixels. */
function walkOf(
  raster: Raster,
  box: Box,
  side: Side,
  at: number,
): { offset: number; stride: number; length: number } {
  const horizontal = side === 'top' || side === 'bottom';
  const x = side === 'left' ? box.left + at : side === 'right' ? box.left + box.width - 1 - at : box.left;
  const y = side === 'top' ? box.top + at : side === 'bottom' ? box.top + box.height - 1 - at : box.top;
  return {
    offset: (y * raster.width + x) * 3,
    stride: (horizontal ? 1 : raster.width) * 3,
    length: horizontal ? box.width : box.height,
  };
}

/** Mean color and largest channel deviation of the line `at` lines in from a side. */
function lineOf(raster: Raster, box: Box, side: Side, at: number): { mean: Color; deviation: number } {
  const { offset: first, stride, length } = walkOf(raster, box, side, at);
  const sums = [0, 0, 0];
  const squares = [0, 0, 0];
  for (let i = 0, offset = first; i < length; i++, offset += stride)
    for (let c = 0; c < 3; c++) {
      const value = raster.data[offset + c] as number;
      sums[c] = (sums[c] as number) + value;
      squares[c] = (squares[c] as number) + value * value;
    }
  let deviation = 0;
  const mean = sums.map((sum) => sum / length) as [number, number, number];
  for (let c = 0; c < 3; c++) {
    const variance = (squares[c] as number) / length - (mean[c] as number) ** 2;
    deviation = Math.max(deviation, Math.sqrt(Math.max(0, variance)));
  }
  return { mean, deviation };
}

function near(a: Color, b: Color): boolean {
  return a.every((value, c) => Math.abs(value - (b[c] as number)) <= SAME_COLOR);
}

function isPaperOrBlack(color: Color): boolean {
  return color.every((value) => value >= 232) || color.every((value) => value <= 24);
}
