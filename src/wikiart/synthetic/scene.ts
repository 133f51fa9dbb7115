import { mix, type Rgb } from './color.ts';
import type { Random } from './random.ts';

/** A position in scene units: the shorter side of every picture is 100. */
export type Point = readonly [number, number];

/** What a shape stands for; renderers treat parts differently (water ripples, faces keep detail). */
export type Role =
  | 'sky'
  | 'cloud'
  | 'light'
  | 'hill'
  | 'ground'
  | 'water'
  | 'ripple'
  | 'trunk'
  | 'foliage'
  | 'wall'
  | 'roof'
  | 'window'
  | 'object'
  | 'skin'
  | 'hair'
  | 'cloth'
  | 'feature';

/** One closed outline, filled from `top` to `bottom`; `flow` is the brush direction in degrees. */
export interface Shape {
  readonly role: Role;
  readonly points: readonly Point[];
  readonly top: Rgb;
  readonly bottom: Rgb;
  readonly flow: number;
  readonly round: boolean;
}

/** What is in a picture, before any style draws it: shapes from back to front. */
export interface Scene {
  readonly width: number;
  readonly height: number;
  readonly shapes: readonly Shape[];
  /** What can be seen, in plain words: 'a river between hills at dusk'. */
  readonly content: string;
  /** The main light, where the scene has a visible one. */
  readonly light: Point | undefined;
}

/** The canvas and random source that every scene builder draws from. */
export interface Easel {
  readonly width: number;
  readonly height: number;
  readonly random: Random;
}

/** A shape from an outline; `bottom` defaults to a slightly darker `top`. */
export function outline(
  role: Role,
  points: readonly Point[],
  colors: { top: Rgb; bottom?: Rgb; flow?: number; round?: boolean },
): Shape {
  return {
    role,
    points,
    top: colors.top,
    bottom: colors.bottom ?? mix(colors.top, [0, 0, 20], 0.18),
    flow: colors.flow ?? 0,
    round: colors.round ?? false,
  };
}

/** Corners of an upright box. */
export function box(x: number, y: number, width: number, height: number): Point[] {
  return [
    [x, y],
    [x + width, y],
    [x + width, y + height],
    [x, y + height],
  ];
}

/** An ellipse as a polygon. */
export function ellipse(x: number, y: number, radiusX: number, radiusY: number, corners = 18): Point[] {
  return Array.from({ length: corners }, (_, index): Point => {
    const angle = (index / corners) * 2 * Math.PI;
    return [x + radiusX * Math.cos(angle), y + radiusY * Math.sin(angle)];
  });
}

/** An uneven ellipse, for foliage and clouds. */
export function blob(random: Random, x: number, y: number, radiusX: number, radiusY: number): Point[] {
  return ellipse(x, y, radiusX, radiusY, 14).map(([px, py]) => {
    const swell = random.between(0.82, 1.16);
    return [x + (px - x) * swell, y + (py - y) * swell];
  });
}

/** A rolling line from the left edge to the right, closed along `bottom`. */
export function ridge(easel: Easel, options: { y: number; swing: number; bottom: number }): Point[] {
  const phase = easel.random.between(0, 6.28);
  const waves = easel.random.between(0.8, 2.2);
  const line = Array.from({ length: 17 }, (_, index): Point => {
    const x = -2 + ((easel.width + 4) * index) / 16;
    const angle = phase + (index / 16) * waves * 2 * Math.PI;
    return [x, options.y + options.swing * (0.7 * Math.sin(angle) + 0.3 * Math.sin(2.3 * angle + 1))];
  });
  return [...line, [easel.width + 2, options.bottom], [-2, options.bottom]];
}

/** Whether a point lies inside an outline (even-odd rule). */
export function contains(points: readonly Point[], x: number, y: number): boolean {
  let inside = false;
  let [previousX, previousY] = points[points.length - 1] as Point;
  for (const [pointX, pointY] of points) {
    if (pointY > y !== previousY > y) {
      if (x < ((previousX - pointX) * (y - pointY)) / (previousY - pointY) + pointX) inside = !inside;
    }
    previousX = pointX;
    previousY = pointY;
  }
  return inside;
}
