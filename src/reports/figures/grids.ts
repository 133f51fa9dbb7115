import sharp, { type OverlayOptions } from 'sharp';
import type { Picture } from '../render/blocks.ts';
import { escapeHtml } from '../render/html.ts';

/** A prompt with its pictures by the base and by the candidate, seed by seed. */
export interface GridRow {
  prompt: string;
  pairs: { seed: number; base: Buffer | null; candidate: Buffer | null }[];
}

const PAPER = '#fdfbf6';
const INK = '#2a2722';
const GAP = 8;
const CAPTION = 30;
const HEADER = 26;

/** One picture with every prompt as a row: base and candidate side by side, seed by seed; deterministic. */
export async function sampleGrid(rows: GridRow[], cell = 160): Promise<Buffer> {
  const seeds = Math.max(1, ...rows.map((r) => r.pairs.length));
  const width = GAP + seeds * (2 * cell + 2 * GAP + GAP);
  const rowHeight = CAPTION + cell + GAP;
  const height = HEADER + rows.length * rowHeight + GAP;
  const labels = await canDrawText();
  const layers: OverlayOptions[] = [];
  for (const [y, row] of rows.entries()) {
    const top = HEADER + y * rowHeight;
    if (labels)
      layers.push({ input: label(row.prompt, width - 2 * GAP, CAPTION, { italic: true }), left: GAP, top });
    for (const [x, pair] of row.pairs.entries()) {
      const left = GAP + x * (2 * cell + 3 * GAP);
      if (labels && y === 0) {
        layers.push({ input: label('base', cell, HEADER), left, top: 0 });
        layers.push({ input: label('with the style', cell, HEADER), left: left + cell + GAP, top: 0 });
      }
      for (const [i, bytes] of [pair.base, pair.candidate].entries())
        if (bytes !== null)
          layers.push({
            ...(await thumbnail(bytes, cell)),
            left: left + i * (cell + GAP),
            top: top + CAPTION,
          });
    }
  }
  return sharp({ create: { width, height, channels: 3, background: PAPER } })
    .composite(layers)
    .png({ compressionLevel: 6 })
    .toBuffer();
}

async function thumbnail(bytes: Buffer, side: number): Promise<OverlayOptions> {
  const { data, info } = await sharp(bytes)
    .resize(side, side, { fit: 'contain', background: PAPER, kernel: 'lanczos3' })
    .raw()
    .toBuffer({ resolveWithObject: true });
  return { input: data, raw: { width: side, height: side, channels: info.channels } };
}

function label(text: string, width: number, height: number, style: { italic?: boolean } = {}): Buffer {
  const most = Math.floor(width / 6.6);
  const shown = text.length > most ? `${text.slice(0, most - 1)}…` : text;
  return Buffer.from(
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}"><text x="0" y="${height - 9}" font-family="Georgia, 'DejaVu Serif', serif" font-size="13" font-style="${style.italic === true ? 'italic' : 'normal'}" fill="${INK}">${escapeHtml(shown)}</text></svg>`,
  );
}

let textWorks: Promise<boolean> | null = null;

/** Whether this machine has a font to draw with; without one, grids go unlabeled instead of showing empty boxes. */
export function canDrawText(): Promise<boolean> {
  textWorks ??= (async () => {
    const { data } = await sharp(label('mmmm', 80, HEADER))
      .flatten({ background: '#ffffff' })
      .grayscale()
      .raw()
      .toBuffer({ resolveWithObject: true });
    return data.some((value) => value < 128);
  })();
  return textWorks;
}

/** A picture small enough to stand inside a page. */
export async function inlinePicture(p: {
  bytes: Buffer;
  alt: string;
  file: string;
  href?: string | null;
  longest?: number;
}): Promise<Picture> {
  const longest = p.longest ?? 320;
  const { data, info } = await sharp(p.bytes)
    .resize(longest, longest, { fit: 'inside', withoutEnlargement: true })
    .webp({ quality: 86 })
    .toBuffer({ resolveWithObject: true });
  return {
    bytes: data,
    mime: 'image/webp',
    width: info.width,
    height: info.height,
    alt: p.alt,
    file: p.file,
    href: p.href ?? null,
  };
}
