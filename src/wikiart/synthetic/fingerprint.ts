import { createHash } from 'node:crypto';
import sharp from 'sharp';
import { GENRE_NAMES, STYLE_NAMES } from './labels.ts';
import type { CompleteOptions } from './options.ts';
import { paintSvg } from './painter.ts';
import { planRows } from './plan.ts';

/** Raise it when encoding changes in a way that neither the plan nor the drawings show. */
const ENCODING = 1;

/** Identifies what a generator run would write, without painting: plan, sample drawings, options, libvips version. */
export function fingerprintOf(options: CompleteOptions): string {
  const hash = createHash('sha256');
  hash.update(JSON.stringify([ENCODING, options, sharp.versions.vips, planRows(options)]));
  for (const [index, style] of STYLE_NAMES.entries()) {
    const genre = GENRE_NAMES[index % GENRE_NAMES.length] ?? 'landscape';
    hash.update(paintSvg({ seed: options.seed + index, style, genre, width: 100, height: 100 }));
  }
  return hash.digest('hex');
}
