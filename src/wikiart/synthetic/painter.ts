import sharp from 'sharp';
import { composeScene } from './compose.ts';
import type { GenreName, StyleName } from './labels.ts';
import { randomFrom } from './random.ts';
import { draw } from './style.ts';

/** One picture to paint; width and height in pixels. */
export interface PaintRequest {
  readonly seed: number;
  readonly style: StyleName;
  readonly genre: GenreName;
  readonly width: number;
  readonly height: number;
}

/** The picture as SVG: scene from (seed, genre), drawn in the style; the same request gives the same text. */
export function paintSvg(request: PaintRequest): string {
  const scene = composeScene(request);
  const pixels = { width: request.width, height: request.height };
  return draw(scene, pixels, request.style, randomFrom(request.seed, request.style, 'hand'));
}

/** Paints a picture: width × height × 3 bytes, RGB, row by row; deterministic for one version of sharp. */
export async function paint(request: PaintRequest): Promise<Buffer> {
  return sharp(Buffer.from(paintSvg(request)))
    .flatten({ background: '#ffffff' })
    .removeAlpha()
    .raw()
    .toBuffer();
}
