import { css, mix, type Rgb, saturate } from './color.ts';
import { boundsOf } from './look.ts';
import type { Random } from './random.ts';
import type { Scene, Shape } from './scene.ts';
import { documentOf, num } from './svg.ts';

/** Reduces a scene to its two or three largest planes on an off-white ground. */
export function paintMinimal(scene: Scene, pixels: { width: number; height: number }): string {
  const ground: Rgb = [238, 236, 230];
  const planes = largest(scene, 3).map((shape) => {
    const { left, top, right, bottom } = boundsOf(shape.points);
    const color = css(saturate(mix(mix(shape.top, shape.bottom, 0.5), ground, 0.15), 0.85));
    if (shape.role === 'light' || shape.role === 'object') {
      return `<circle cx="${num((left + right) / 2)}" cy="${num((top + bottom) / 2)}" r="${num((right - left) / 2)}" fill="${color}"/>`;
    }
    return `<rect x="${num(Math.max(6, left))}" y="${num(Math.max(6, top))}" width="${num(Math.min(scene.width - 6, right) - Math.max(6, left))}" height="${num(Math.max(2, Math.min(scene.height - 6, bottom) - Math.max(6, top)))}" fill="${color}"/>`;
  });
  return documentOf(scene, pixels, { body: planes.join(''), ground });
}

/** Reduces a scene to broad soft-edged bands of its colors. */
export function paintColorField(
  scene: Scene,
  pixels: { width: number; height: number },
  random: Random,
): string {
  const shapes = largest(scene, random.integer(2, 3));
  const ground = saturate(mix((shapes[0] as Shape).bottom, [150, 60, 50], 0.3), 1.2);
  const share = (scene.height - 14) / shapes.length;
  const bands = shapes.map((shape, index) => {
    const color = saturate(mix(shape.top, shape.bottom, 0.4), 1.35);
    return `<rect x="9" y="${num(8 + index * share)}" width="${num(scene.width - 18)}" height="${num(share - 4)}" rx="3" fill="${css(color)}" filter="url(#soft)"/>`;
  });
  const defs =
    '<filter id="soft" x="-20%" y="-20%" width="140%" height="140%"><feGaussianBlur stdDeviation="2.2"/></filter>';
  return documentOf(scene, pixels, { defs, body: bands.join(''), ground });
}

/** Throws a scene's colors over the canvas as drips and sweeps; nothing of its forms is left. */
export function paintGestures(
  scene: Scene,
  pixels: { width: number; height: number },
  options: { drips: number; sweeps: number },
  random: Random,
): string {
  const colors: readonly Rgb[] = [
    ...scene.shapes.map((shape) => saturate(shape.top, 1.3)),
    [24, 24, 28],
    [240, 236, 226],
  ];
  const at = (): string =>
    `${num(random.between(-5, scene.width + 5))} ${num(random.between(-5, scene.height + 5))}`;
  const marks: string[] = [];
  for (let index = 0; index < options.sweeps; index++) {
    marks.push(
      `<path d="M${at()}Q${at()} ${at()}" stroke="${css(random.pick(colors))}" stroke-width="${num(random.between(5, 15))}" stroke-opacity="0.85"/>`,
    );
  }
  for (let index = 0; index < options.drips; index++) {
    marks.push(
      `<path d="M${at()}C${at()} ${at()} ${at()}" stroke="${css(random.pick(colors))}" stroke-width="${num(random.between(0.5, 1.8))}"/>`,
    );
  }
  return documentOf(scene, pixels, {
    body: `<g fill="none" stroke-linecap="round">${marks.join('')}</g>`,
    ground: mix(random.pick(colors), [235, 228, 214], 0.6),
  });
}

/** The largest shapes, back to front, one of a role at most twice. */
function largest(scene: Scene, count: number): Shape[] {
  const sized = scene.shapes.map((shape, order) => {
    const { left, top, right, bottom } = boundsOf(shape.points);
    const bonus = shape.role === 'light' || shape.role === 'cloth' ? 3 : 1;
    return { shape, order, area: bonus * (right - left) * (bottom - top) };
  });
  const chosen = sized.sort((a, b) => b.area - a.area || a.order - b.order).slice(0, count);
  return chosen.sort((a, b) => a.order - b.order).map(({ shape }) => shape);
}
