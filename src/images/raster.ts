/** 8-bit sRGB pixels, row by row, three bytes a pixel. */
export interface Raster {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
}

/** A rectangle in pixels. */
export interface Box {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

/** Rec. 709 luma of every pixel of a box of a raster, 0 to 255, row by row. */
export function luminanceOf(raster: Raster, box: Box): Plane {
  const plane = new Float32Array(box.width * box.height);
  for (let y = 0; y < box.height; y++) {
    let from = ((box.top + y) * raster.width + box.left) * 3;
    for (let x = 0; x < box.width; x++, from += 3)
      plane[y * box.width + x] =
        0.2126 * (raster.data[from] as number) +
        0.7152 * (raster.data[from + 1] as number) +
        0.0722 * (raster.data[from + 2] as number);
  }
  return { width: box.width, height: box.height, data: plane };
}

/** A plane of single values, row by row. */
export interface Plane {
  readonly width: number;
  readonly height: number;
  readonly data: Float32Array;
}

/**
 * Shrinks a window of a plane (default: all of it; its edges may lie within pixels) to columns × rows by area averaging:
 * every source pixel counts by the part of it that is covered.
 */
export function averageDown(
  plane: Plane,
  columns: number,
  rows: number,
  window: Box = { left: 0, top: 0, width: plane.width, height: plane.height },
): Plane {
  const across = weightsOf(window.left, window.width, columns, plane.width);
  const down = weightsOf(window.top, window.height, rows, plane.height);
  const { width, data: source } = plane;
  const data = new Float32Array(columns * rows);
  const line = new Float32Array(width);
  for (let row = 0; row < rows; row++) {
    line.fill(0);
    for (let i = 0, from = (down.first[row] as number) * width; i < (down.count[row] as number); i++) {
      const part = down.parts[row * down.most + i] as number;
      for (let x = 0; x < width; x++, from++) line[x] = (line[x] as number) + part * (source[from] as number);
    }
    for (let column = 0; column < columns; column++) {
      let sum = 0;
      const from = across.first[column] as number;
      const parts = column * across.most;
      for (let i = 0; i < (across.count[column] as number); i++)
        sum += (across.parts[parts + i] as number) * (line[from + i] as number);
      data[row * columns + column] = sum;
    }
  }
  return { width: columns, height: rows, data };
}

/** For each target cell the neighboring source cells that it covers, with weights that sum to 1. */
interface Weights {
  /** First source cell of each target cell, and how many it covers. */
  first: Int32Array;
  count: Int32Array;
  /** Weights, `most` places for each target cell. */
  parts: Float64Array;
  most: number;
}

function weightsOf(start: number, length: number, cells: number, source: number): Weights {
  const scale = length / cells;
  const most = Math.ceil(scale) + 1;
  const weights: Weights = {
    first: new Int32Array(cells),
    count: new Int32Array(cells),
    parts: new Float64Array(cells * most),
    most,
  };
  for (let cell = 0; cell < cells; cell++) {
    const [from, to] = [start + cell * scale, start + (cell + 1) * scale];
    let count = 0;
    for (let at = Math.floor(from); at < Math.min(source, Math.ceil(to - 1e-9)); at++) {
      const covered = Math.min(to, at + 1) - Math.max(from, at);
      if (covered <= 1e-9) continue;
      if (count === 0) weights.first[cell] = at;
      weights.parts[cell * most + count] = covered / scale;
      count += 1;
    }
    weights.count[cell] = count;
  }
  return weights;
}
