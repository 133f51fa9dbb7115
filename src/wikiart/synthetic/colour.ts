/** Red, green and blue, each 0 to 255; may leave that range while being mixed. */
export type Rgb = readonly [number, number, number];

/** Mixes two colours; 0 gives the first, 1 the second. */
export function mix(a: Rgb, b: Rgb, amount: number): Rgb {
  return [a[0] + (b[0] - a[0]) * amount, a[1] + (b[1] - a[1]) * amount, a[2] + (b[2] - a[2]) * amount];
}

/** Perceived brightness, 0 to 255 (Rec. 601 weights). */
export function luma(colour: Rgb): number {
  return 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2];
}

/** Moves a colour away from (above 1) or towards (below 1) its own grey. */
export function saturate(colour: Rgb, factor: number): Rgb {
  const grey = luma(colour);
  return mix([grey, grey, grey], colour, factor);
}

/** Multiplies the brightness. */
export function scale(colour: Rgb, factor: number): Rgb {
  return [colour[0] * factor, colour[1] * factor, colour[2] * factor];
}

/** Adds the same or separate amounts to the channels. */
export function shift(colour: Rgb, red: number, green = red, blue = red): Rgb {
  return [colour[0] + red, colour[1] + green, colour[2] + blue];
}

/** The colour among `palette` nearest to the given one, by squared distance weighted as the eye does. */
export function nearest(colour: Rgb, palette: readonly Rgb[]): Rgb {
  let best = palette[0] as Rgb;
  let bestDistance = Number.POSITIVE_INFINITY;
  for (const candidate of palette) {
    const distance =
      2 * (colour[0] - candidate[0]) ** 2 +
      4 * (colour[1] - candidate[1]) ** 2 +
      3 * (colour[2] - candidate[2]) ** 2;
    if (distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

/** SVG colour, clamped and rounded. */
export function css(colour: Rgb): string {
  const hex = colour.map((channel) =>
    Math.max(0, Math.min(255, Math.round(channel)))
      .toString(16)
      .padStart(2, '0'),
  );
  return `#${hex.join('')}`;
}
