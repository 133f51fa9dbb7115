import { css, mix, type Rgb, saturate, shift } from './color.ts';
import { boundsOf, Look } from './look.ts';
import type { Random } from './random.ts';
import type { Point, Scene, Shape } from './scene.ts';
import { documentOf, num, pathOf } from './svg.ts';

/** How a brush is handled; lengths and widths in scene units (the shorter side is 100). */
export interface Brush {
  /** Strokes over a square picture; wider pictures get more. */
  readonly strokes: number;
  readonly length: readonly [number, number];
  readonly width: readonly [number, number];
  /** How far a stroke's direction strays, in degrees. */
  readonly stray: number;
  /** How far a stroke's color strays from what is there: broken color. */
  readonly broken: number;
  readonly saturation: number;
  /** Mix with white, 0 to 1. */
  readonly lighten: number;
  /** Cool the shadows towards violet, 0 to 1. */
  readonly violet: number;
  /** Swirl: how much a wave turns the direction along the picture, in degrees. */
  readonly swirl: number;
  /** Outline width, 0 for none. */
  readonly contour: number;
  readonly contourColor: Rgb;
  /** How far outlines are bent, in scene units. */
  readonly distort: number;
}

/** Draws a scene as separate strokes that follow its forms, over a thin underpainting. */
export function paintStrokes(
  scene: Scene,
  pixels: { width: number; height: number },
  brush: Brush,
  random: Random,
): string {
  const bent = brush.distort > 0 ? distorted(scene, brush.distort, random) : scene;
  const look = new Look(bent);
  const tone = (color: Rgb): Rgb => toned(color, brush);
  const under = bent.shapes.map(
    (shape) => `<path d="${pathOf(shape.points)}" fill="${css(tone(mix(shape.top, shape.bottom, 0.5)))}"/>`,
  );
  const marks: string[] = [];
  const phase = random.between(0, 6.28);
  const count = Math.round(brush.strokes * (scene.width / 100) * (scene.height / 100));
  for (let index = 0; index < count; index++) {
    // Rows with jitter cover evenly where pure chance leaves holes; upper strokes first, so that near lies over far.
    const y = ((index + random.next()) / count) * scene.height;
    const x = random.between(0, 1) * scene.width;
    marks.push(stroke({ look, brush, random, x, y, size: 1, phase }));
  }
  for (const shape of bent.shapes) marks.push(...accents(shape, { look, brush, random, phase }));
  const lines = brush.contour > 0 ? contours(bent, brush) : '';
  return documentOf(scene, pixels, {
    body: `${under.join('')}<g fill="none" stroke-linecap="round">${marks.join('')}</g>${lines}`,
    ground: tone([150, 150, 150]),
  });
}

function accents(shape: Shape, tools: { look: Look; brush: Brush; random: Random; phase: number }): string[] {
  if (
    shape.role === 'sky' ||
    shape.role === 'ground' ||
    shape.role === 'wall' ||
    shape.role === 'water' ||
    shape.role === 'hill'
  )
    return [];
  const { left, top, right, bottom } = boundsOf(shape.points);
  const area = (right - left) * (bottom - top);
  const fine =
    shape.role === 'feature' || shape.role === 'skin' || shape.role === 'ripple' || shape.role === 'window';
  const count = Math.min(fine ? 60 : 26, Math.ceil(area / (fine ? 7 : 16)));
  const marks: string[] = [];
  for (let index = 0; index < count; index++) {
    const x = tools.random.between(left, right);
    const y = tools.random.between(top, bottom);
    if (tools.look.at(x, y)?.shape !== shape) continue;
    marks.push(stroke({ ...tools, x, y, size: Math.min(fine ? 0.42 : 0.72, Math.sqrt(area) / 5) }));
  }
  return marks;
}

function stroke(at: {
  look: Look;
  brush: Brush;
  random: Random;
  x: number;
  y: number;
  size: number;
  phase: number;
}): string {
  const { brush, random, x, y } = at;
  const seen = at.look.at(x, y);
  if (seen === undefined) return '';
  const swirl = brush.swirl * Math.sin(x * 0.085 + y * 0.06 + at.phase);
  const angle = ((seen.shape.flow + swirl + brush.stray * random.normal()) * Math.PI) / 180;
  const half = (at.size * random.between(brush.length[0], brush.length[1])) / 2;
  const width = Math.max(0.5, at.size * random.between(brush.width[0], brush.width[1]));
  const calm = seen.shape.role === 'skin' || seen.shape.role === 'feature' ? 0.5 : 1;
  const broken = brush.broken * calm;
  const color = shift(
    toned(seen.color, brush),
    broken * random.normal(),
    broken * 0.8 * random.normal(),
    broken * random.normal(),
  );
  const dx = Math.cos(angle) * half;
  const dy = Math.sin(angle) * half;
  const bend = half * random.between(-0.35, 0.35);
  return `<path d="M${num(x - dx)} ${num(y - dy)}Q${num(x - dy * (bend / half))} ${num(y + dx * (bend / half))} ${num(x + dx)} ${num(y + dy)}" stroke="${css(color)}" stroke-width="${num(width)}"/>`;
}

function toned(color: Rgb, brush: Brush): Rgb {
  const dark = Math.max(0, 1 - (color[0] + color[1] + color[2]) / 330);
  const cooled = mix(color, [112, 92, 178], brush.violet * dark);
  return mix(saturate(cooled, brush.saturation), [255, 252, 240], brush.lighten);
}

function contours(scene: Scene, brush: Brush): string {
  const paths = scene.shapes
    .filter((shape) => shape.role !== 'sky' && shape.role !== 'ripple' && shape.role !== 'window')
    .map((shape) => `<path d="${pathOf(shape.points)}"/>`);
  return `<g fill="none" stroke="${css(brush.contourColor)}" stroke-width="${num(brush.contour)}" stroke-linejoin="round">${paths.join('')}</g>`;
}

/** Bends every outline by slow waves, as an expressionist would. */
export function distorted(scene: Scene, amount: number, random: Random): Scene {
  const [a, b] = [random.between(0, 6.28), random.between(0, 6.28)];
  const bend = ([x, y]: Point): Point => [
    x + amount * Math.sin(y * 0.11 + a) + amount * 0.4 * Math.sin(y * 0.31 + b),
    y + amount * 0.7 * Math.sin(x * 0.09 + b),
  ];
  return {
    ...scene,
    shapes: scene.shapes.map((shape) =>
      shape.role === 'sky' ? shape : { ...shape, points: shape.points.map(bend) },
    ),
  };
}
