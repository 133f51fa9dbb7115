import { mix, type Rgb } from './color.ts';
import { contains, type Point, type Scene, type Shape } from './scene.ts';

/** What a painter sees at one place of the scene. */
export interface Seen {
  readonly shape: Shape;
  readonly color: Rgb;
}

/** Limits of a shape in scene units. */
export interface Bounds {
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
}

/** The limits of an outline. */
export function boundsOf(points: readonly Point[]): Bounds {
  let left = Number.POSITIVE_INFINITY;
  let top = Number.POSITIVE_INFINITY;
  let right = Number.NEGATIVE_INFINITY;
  let bottom = Number.NEGATIVE_INFINITY;
  for (const [x, y] of points) {
    left = Math.min(left, x);
    right = Math.max(right, x);
    top = Math.min(top, y);
    bottom = Math.max(bottom, y);
  }
  return { left, top, right, bottom };
}

/** A scene prepared for asking what is visible where. */
export class Look {
  private readonly layers: readonly { shape: Shape; bounds: Bounds }[];

  constructor(scene: Scene) {
    this.layers = scene.shapes.map((shape) => ({ shape, bounds: boundsOf(shape.points) })).reverse();
  }

  /** The frontmost shape at a place with its color there; undefined only outside every shape. */
  at(x: number, y: number): Seen | undefined {
    for (const { shape, bounds } of this.layers) {
      if (x < bounds.left || x > bounds.right || y < bounds.top || y > bounds.bottom) continue;
      if (!contains(shape.points, x, y)) continue;
      const height = Math.max(1e-6, bounds.bottom - bounds.top);
      let color = mix(shape.top, shape.bottom, (y - bounds.top) / height);
      if (shape.round) {
        const side = (x - bounds.left) / Math.max(1e-6, bounds.right - bounds.left);
        color = mix(color, shape.bottom, Math.max(0, side - 0.5) * 0.6);
      }
      return { shape, color };
    }
    return undefined;
  }
}
