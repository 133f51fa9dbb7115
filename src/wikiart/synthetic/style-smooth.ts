import { mix, type Rgb, saturate, scale } from './color.ts';
import type { Scene } from './scene.ts';
import { curvedPathOf, documentOf, gradientOf, num } from './svg.ts';

/** How a scene is modeled with smooth light. */
export interface Smooth {
  readonly saturation: number;
  readonly tint: Rgb;
  readonly tinted: number;
  readonly gain: number;
  /** Darkness of the corners, 0 to 1. */
  readonly vignette: number;
  /** Strength of the glow around the light, 0 to 1. */
  readonly glow: number;
  /** Blur of every edge in scene units. */
  readonly haze: number;
}

/** Draws a scene with smooth gradients, no visible brush. */
export function paintSmooth(scene: Scene, pixels: { width: number; height: number }, smooth: Smooth): string {
  const tone = (color: Rgb): Rgb =>
    scale(mix(saturate(color, smooth.saturation), smooth.tint, smooth.tinted), smooth.gain);
  const gradients = scene.shapes.map((shape, index) => gradientOf(shape, `g${index}`, tone));
  const shapes = scene.shapes.map(
    (shape, index) => `<path d="${curvedPathOf(shape.points)}" fill="url(#g${index})"/>`,
  );
  const [x, y] = scene.light ?? [scene.width * 0.38, scene.height * 0.34];
  const reach = Math.hypot(scene.width, scene.height);
  const defs = [
    ...gradients,
    `<radialGradient id="glow" gradientUnits="userSpaceOnUse" cx="${num(x)}" cy="${num(y)}" r="${num(reach * 0.4)}"><stop offset="0" stop-color="#ffe2a6" stop-opacity="${num(smooth.glow)}"/><stop offset="1" stop-color="#ffe2a6" stop-opacity="0"/></radialGradient>`,
    `<radialGradient id="dark" gradientUnits="userSpaceOnUse" cx="${num(x * 0.5 + scene.width * 0.25)}" cy="${num(y * 0.5 + scene.height * 0.25)}" r="${num(reach * 0.62)}"><stop offset="0.35" stop-color="#0c0806" stop-opacity="0"/><stop offset="1" stop-color="#0c0806" stop-opacity="${num(smooth.vignette)}"/></radialGradient>`,
    `<filter id="haze" x="-5%" y="-5%" width="110%" height="110%"><feGaussianBlur stdDeviation="${num(smooth.haze)}"/></filter>`,
  ];
  const whole = `x="-5" y="-5" width="${num(scene.width + 10)}" height="${num(scene.height + 10)}"`;
  const body =
    `<g${smooth.haze > 0 ? ' filter="url(#haze)"' : ''}>${shapes.join('')}</g>` +
    (smooth.glow > 0 ? `<rect ${whole} fill="url(#glow)"/>` : '') +
    (smooth.vignette > 0 ? `<rect ${whole} fill="url(#dark)"/>` : '');
  return documentOf(scene, pixels, { defs: defs.join(''), body, ground: tone([120, 120, 120]) });
}
