import { css, type Rgb } from './color.ts';
import { boundsOf } from './look.ts';
import type { Point, Scene, Shape } from './scene.ts';

/** A number short enough to keep the SVG small: two decimals of a scene unit are under a tenth of a pixel. */
export function num(value: number): string {
  return String(Math.round(value * 100) / 100);
}

/** Path data for a closed outline with straight sides. */
export function pathOf(points: readonly Point[]): string {
  return `M${points.map(([x, y]) => `${num(x)} ${num(y)}`).join('L')}Z`;
}

/** Path data for a closed outline with its corners rounded off: quadratic arcs through the side middles. */
export function curvedPathOf(points: readonly Point[]): string {
  if (points.length < 6) return pathOf(points);
  const middle = (index: number): Point => {
    const a = points[index % points.length] as Point;
    const b = points[(index + 1) % points.length] as Point;
    return [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2];
  };
  const [startX, startY] = middle(points.length - 1);
  const arcs = points.map(([x, y], index) => {
    const [endX, endY] = middle(index);
    return `Q${num(x)} ${num(y)} ${num(endX)} ${num(endY)}`;
  });
  return `M${num(startX)} ${num(startY)}${arcs.join('')}Z`;
}

/** A whole SVG document of `width` × `height` pixels over scene units. */
export function documentOf(
  scene: Scene,
  pixels: { width: number; height: number },
  parts: { defs?: string; body: string; ground: Rgb },
): string {
  const view = `0 0 ${num(scene.width)} ${num(scene.height)}`;
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" width="${pixels.width}" height="${pixels.height}" viewBox="${view}" preserveAspectRatio="none">` +
    `<defs>${parts.defs ?? ''}</defs><rect x="-5" y="-5" width="${num(scene.width + 10)}" height="${num(scene.height + 10)}" fill="${css(parts.ground)}"/>` +
    `${parts.body}</svg>`
  );
}

/** A gradient for a shape: from the upper left for round shapes, else from top to bottom. */
export function gradientOf(shape: Shape, id: string, color: (color: Rgb) => Rgb): string {
  const stops = `<stop offset="0" stop-color="${css(color(shape.top))}"/><stop offset="1" stop-color="${css(color(shape.bottom))}"/>`;
  const { left, top, right, bottom } = boundsOf(shape.points);
  if (shape.round) {
    const radius = Math.max(right - left, bottom - top) * 0.72;
    return `<radialGradient id="${id}" gradientUnits="userSpaceOnUse" cx="${num(left + (right - left) * 0.34)}" cy="${num(top + (bottom - top) * 0.3)}" r="${num(radius)}">${stops}</radialGradient>`;
  }
  return `<linearGradient id="${id}" gradientUnits="userSpaceOnUse" x1="0" x2="0" y1="${num(top)}" y2="${num(bottom)}">${stops}</linearGradient>`;
}
