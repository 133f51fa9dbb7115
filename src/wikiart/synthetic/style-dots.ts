import { css, mix, type Rgb, saturate, shift } from './color.ts';
import { Look } from './look.ts';
import type { Random } from './random.ts';
import type { Scene } from './scene.ts';
import { documentOf, num } from './svg.ts';

/** Draws a scene as a close grid of pure-colored dots on a light ground. */
export function paintDots(scene: Scene, pixels: { width: number; height: number }, random: Random): string {
  const look = new Look(scene);
  const pitch = 2.7;
  const dots: string[] = [];
  for (let row = 0; row * pitch * 0.88 < scene.height + pitch; row++) {
    for (let column = 0; column * pitch < scene.width + pitch; column++) {
      const x = (column + (row % 2) / 2) * pitch + random.between(-0.35, 0.35);
      const y = row * pitch * 0.88 + random.between(-0.35, 0.35);
      const seen = look.at(Math.min(x, scene.width), Math.min(y, scene.height));
      if (seen === undefined) continue;
      dots.push(
        `<circle cx="${num(x)}" cy="${num(y)}" r="${num(random.between(1.05, 1.4))}" fill="${css(pure(seen.color, random))}"/>`,
      );
    }
  }
  return documentOf(scene, pixels, { body: dots.join(''), ground: [240, 234, 218] });
}

function pure(color: Rgb, random: Random): Rgb {
  const vivid = saturate(color, 1.6);
  const roll = random.next();
  if (roll < 0.12) return mix(vivid, [240, 160, 60], 0.45);
  if (roll < 0.24) return mix(vivid, [70, 90, 190], 0.45);
  return shift(vivid, 18 * random.normal(), 16 * random.normal(), 18 * random.normal());
}
