import { css, mix, type Rgb, saturate, scale } from './color.ts';
import { Look } from './look.ts';
import type { Random } from './random.ts';
import type { Point, Scene } from './scene.ts';
import { documentOf, num, pathOf } from './svg.ts';

/** How a scene is broken into facets. */
export interface Facets {
  /** Grid pitch in scene units. */
  readonly pitch: number;
  /** How far what a facet shows is displaced from where it lies, in scene units. */
  readonly displaced: number;
  readonly saturation: number;
  /** The color everything leans to, and how much. */
  readonly tint: Rgb;
  readonly tinted: number;
  readonly line: number;
}

/** Draws a scene as outlined flat planes, each showing a displaced bit of it under its own light. */
export function paintFacets(
  scene: Scene,
  pixels: { width: number; height: number },
  facets: Facets,
  random: Random,
): string {
  const look = new Look(scene);
  const columns = Math.ceil(scene.width / facets.pitch) + 1;
  const rows = Math.ceil(scene.height / facets.pitch) + 1;
  const corner = Array.from({ length: (rows + 1) * (columns + 1) }, (_, index): Point => {
    const jitter = facets.pitch * 0.42;
    const column = index % (columns + 1);
    const row = Math.floor(index / (columns + 1));
    return [
      (column - 0.5) * facets.pitch + random.between(-jitter, jitter),
      (row - 0.5) * facets.pitch + random.between(-jitter, jitter),
    ];
  });
  const at = (row: number, column: number): Point => corner[row * (columns + 1) + column] as Point;
  const planes: string[] = [];
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      const [a, b, c, d] = [
        at(row, column),
        at(row, column + 1),
        at(row + 1, column + 1),
        at(row + 1, column),
      ];
      const triangles: Point[][] = random.chance(0.5)
        ? [
            [a, b, c],
            [a, c, d],
          ]
        : [
            [a, b, d],
            [b, c, d],
          ];
      for (const triangle of random.chance(0.22) ? [[a, b, c, d]] : triangles)
        planes.push(plane(triangle, { scene, look, facets, random }));
    }
  }
  const bones = scene.shapes
    .filter(
      (shape) =>
        shape.role === 'skin' ||
        shape.role === 'wall' ||
        shape.role === 'roof' ||
        shape.role === 'object' ||
        shape.role === 'cloth' ||
        shape.role === 'feature',
    )
    .map(
      (shape) =>
        `<path d="${pathOf(shape.points.filter((_, index) => shape.points.length < 9 || index % 3 === 0))}"/>`,
    );
  const ink = css(mix([30, 26, 24], facets.tint, 0.15));
  const body = `<g stroke="${ink}" stroke-width="${num(facets.line)}" stroke-linejoin="round">${planes.join('')}</g><g fill="none" stroke="${ink}" stroke-width="${num(facets.line * 1.1)}">${bones.join('')}</g>`;
  return documentOf(scene, pixels, { body, ground: facets.tint });
}

function plane(
  points: readonly Point[],
  tools: { scene: Scene; look: Look; facets: Facets; random: Random },
): string {
  const { scene, facets, random } = tools;
  const x =
    points.reduce((sum, point) => sum + point[0], 0) / points.length + facets.displaced * random.normal();
  const y =
    points.reduce((sum, point) => sum + point[1], 0) / points.length + facets.displaced * random.normal();
  const seen = tools.look.at(Math.max(0, Math.min(scene.width, x)), Math.max(0, Math.min(scene.height, y)));
  const local = saturate(seen?.color ?? facets.tint, facets.saturation);
  return `<path d="${pathOf(points)}" fill="${css(scale(mix(local, facets.tint, facets.tinted), random.between(0.78, 1.16)))}"/>`;
}
