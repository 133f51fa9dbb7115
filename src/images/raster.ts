/** 8-bit sRGB pixels, row by row, three bytes a pixel. */
export interface Raster {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
}

/** A rectangle of a raster in pixels. */
export interface Box {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

/** Rec. 709 luma of every pixel of a box of a raster, 0 to 255, row by row. */
export function luminanceOf(raster: Raster, box: Box): Float32Array {
  const plane = new Float32Array(box.width * box.height);
  for (let y = 0; y < box.height; y++) {
    let from = ((box.top + y) * raster.width + box.left) * 3;
    for (let x = 0; x < box.width; x++, from += 3)
      plane[y * box.width + x] =
        0.2126 * (raster.data[from] as number) +
        0.7152 * (raster.data[from + 1] as number) +
        0.0722 * (raster.data[from + 2] as number);
  }
  return plane;
}

/** Shrinks a plane to columns × rows by area averaging: every source pixel counts by the part of it that is covered. */
export function averageDown(
  plane: Float32Array,
  size: { width: number; height: number },
  columns: number,
  rows: number,
): Float32Array {
  const sums = new Float32Array(columns * size.height);
  spread(size.width, columns, (from, to, part) => {
    for (let y = 0; y < size.height; y++) {
      const at = y * columns + to;
      sums[at] = (sums[at] as number) + part * (plane[y * size.width + from] as number);
    }
  });
  const out = new Float32Array(columns * rows);
  spread(size.height, rows, (from, to, part) => {
    for (let x = 0; x < columns; x++) {
      const at = to * columns + x;
      out[at] = (out[at] as number) + part * (sums[from * columns + x] as number);
    }
  });
  return out;
}

/** Calls with every (source cell, target cell, weight) of a one-dimensional area average; weights of a target sum to 1. */
function spread(
  source: number,
  target: number,
  visit: (from: number, to: number, part: number) => void,
): void {
  const scale = source / target;
  for (let to = 0; to < target; to++) {
    const [start, end] = [to * scale, (to + 1) * scale];
    for (let from = Math.floor(start); from < Math.min(source, Math.ceil(end - 1e-9)); from++) {
      const covered = Math.min(end, from + 1) - Math.max(start, from);
      if (covered > 1e-9) visit(from, to, covered / scale);
    }
  }
}
