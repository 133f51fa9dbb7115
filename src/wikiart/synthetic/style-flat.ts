import { css, mix, nearest, type Rgb, saturate } from './color.ts';
import { Look } from './look.ts';
import type { Random } from './random.ts';
import type { Role, Scene } from './scene.ts';
import { curvedPathOf, documentOf, num, pathOf } from './svg.ts';

/** How flat areas and their contours are printed or painted. */
export interface Flat {
  /** The only colors used; undefined keeps the scene's own. */
  readonly palette: readonly Rgb[] | undefined;
  /** The colors that skin may take; defaults to the palette. */
  readonly skin?: readonly Rgb[];
  readonly saturation: number;
  readonly line: number;
  readonly ink: Rgb;
  readonly curved: boolean;
  /** A gradient at the picture's upper edge, as block printers wipe it. */
  readonly wiped: Rgb | undefined;
  /** Rows of printed dots over the picture. */
  readonly halftone: boolean;
}

/** Draws a scene as few flat colors inside contour lines. */
export function paintFlat(
  scene: Scene,
  pixels: { width: number; height: number },
  flat: Flat,
  random: Random,
): string {
  const tone = (color: Rgb, role: Role): Rgb => {
    const vivid = saturate(color, flat.saturation);
    return flat.palette === undefined
      ? vivid
      : nearest(vivid, role === 'skin' ? (flat.skin ?? flat.palette) : flat.palette);
  };
  const shapes = scene.shapes.map((shape) => {
    const path = flat.curved ? curvedPathOf(shape.points) : pathOf(shape.points);
    const bare = shape.role === 'sky' || shape.role === 'light' || shape.role === 'ripple';
    const line = bare
      ? ''
      : ` stroke="${css(flat.ink)}" stroke-width="${num(flat.line)}" stroke-linejoin="round"`;
    return `<path d="${path}" fill="${css(tone(mix(shape.top, shape.bottom, 0.35), shape.role))}"${line}/>`;
  });
  let defs = '';
  if (flat.wiped !== undefined) {
    defs = `<linearGradient id="wipe" x1="0" x2="0" y1="0" y2="1"><stop offset="0" stop-color="${css(flat.wiped)}"/><stop offset="1" stop-color="${css(flat.wiped)}" stop-opacity="0"/></linearGradient>`;
    shapes.push(
      `<rect x="0" y="0" width="${num(scene.width)}" height="${num(scene.height * random.between(0.14, 0.22))}" fill="url(#wipe)"/>`,
    );
  }
  if (flat.halftone) shapes.push(halftone(scene));
  return documentOf(scene, pixels, {
    defs,
    body: shapes.join(''),
    ground: flat.palette?.[0] ?? [230, 224, 210],
  });
}

function halftone(scene: Scene): string {
  const look = new Look(scene);
  const dots: string[] = [];
  const pitch = 4;
  for (let row = 0; row * pitch < scene.height; row++) {
    for (let column = 0; column * pitch < scene.width; column++) {
      const x = (column + (row % 2) / 2) * pitch;
      const seen = look.at(x, row * pitch);
      if (
        seen === undefined ||
        !(seen.shape.role === 'sky' || seen.shape.role === 'wall' || seen.shape.role === 'skin')
      )
        continue;
      dots.push(`<circle cx="${num(x)}" cy="${num(row * pitch)}" r="1.05"/>`);
    }
  }
  return `<g fill="#fff" fill-opacity="0.75">${dots.join('')}</g>`;
}
