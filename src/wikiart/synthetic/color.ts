/** Red, green and blue, each 0 to 255; may leave that range while being mixed. */
export type Rgb = readonly [number, number, number];

/** Mixes two colors; 0 gives the first, 1 the second. */
export function mix(a: Rgb, b: Rgb, amount: number): Rgb {
  return [a[0] + (b[0] - a[0]) * amount, a[1] + (b[1] - a[1]) * amount, a[2] + (b[2] - a[2]) * amount];
}

/** Perceived brightness, 0 to 255 (Rec. 601 weights). */
export function luma(color: Rgb): number {
  return 0.299 * color[0] + 0.587 * color[1] + 0.114 * color[2];
}

/** Moves a color away from (above 1) or towards (below 1) its own gray. */
export function saturate(color: Rgb, factor: number): Rgb {
  const gray = luma(color);
  return mix([gray, gray, gray], color, factor);
}

/** Multiplies the brightness. */
export function scale(color: Rgb, factor: number): Rgb {
  return [color[0] * factor, color[1] * factor, color[2] * factor];
}

/** Adds the same or separate amounts to the channels. */
export function shift(color: Rgb, red: number, green = red, blue = red): Rgb {
  return [color[0] + red, color[1] + green, color[2] + blue];
}

/** The color among `palette` nearest to the given one, by squared distance weighted as the eye does. */
export function nearest(color: Rgb, palette: readonly Rgb[]): Rgb {
  let best = palette[0] as Rgb;
  let bestDistance = Number.POSITIVE_INFINITY;
  for (const candidate of palette) {
    const distance =
      2 * (color[0] - candidate[0]) ** 2 +
      4 * (color[1] - candidate[1]) ** 2 +
      3 * (color[2] - candidate[2]) ** 2;
    if (distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

/** SVG color, clamped and rounded. */
export function css(color: Rgb): string {
  const hex = color.map((channel) =>
    Math.max(0, Math.min(255, Math.round(channel)))
      .toString(16)
      .padStart(2, '0'),
  );
  return `#${hex.join('')}`;
}
