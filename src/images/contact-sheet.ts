import sharp, { type OverlayOptions } from 'sharp';

/** One picture of a contact sheet, read when it is drawn; without a picture the cell shows a cross. */
export interface SheetCell {
  picture: (() => Promise<Buffer>) | null;
  /** Color of the band under the picture, such as `#c0392b`; null: no band. */
  band: string | null;
}

const CELL = 96;
const GAP = 4;
const BAND = 5;

/** Lays pictures out in rows, each fitted into a square cell, on paper white; PNG. Null when there are none. */
export async function contactSheet(cells: readonly SheetCell[], columns: number): Promise<Buffer | null> {
  if (cells.length === 0) return null;
  const rows = Math.ceil(cells.length / columns);
  const across = Math.min(columns, cells.length);
  const parts: OverlayOptions[] = [];
  for (const [at, cell] of cells.entries()) {
    const left = GAP + (at % columns) * (CELL + GAP);
    const top = GAP + Math.floor(at / columns) * (CELL + BAND + GAP);
    parts.push({ input: await fitted((await cell.picture?.()) ?? null), left, top });
    if (cell.band !== null)
      parts.push({
        input: { create: { width: CELL, height: BAND - 1, channels: 3, background: cell.band } },
        left,
        top: top + CELL + 1,
      });
  }
  return sharp({
    create: {
      width: GAP + across * (CELL + GAP),
      height: GAP + rows * (CELL + BAND + GAP),
      channels: 3,
      background: '#fbfaf7',
    },
  })
    .composite(parts)
    .png({ compressionLevel: 9 })
    .toBuffer();
}

async function fitted(picture: Buffer | null): Promise<Buffer> {
  const background = '#ece9e2';
  if (picture !== null)
    return sharp(picture).resize({ width: CELL, height: CELL, fit: 'contain', background }).png().toBuffer();
  const cross = `<svg xmlns="http://www.w3.org/2000/svg" width="${CELL}" height="${CELL}"><rect width="100%" height="100%" fill="${background}"/><path d="M28 28 L68 68 M68 28 L28 68" stroke="#a39c8d" stroke-width="6"/></svg>`;
  return sharp(Buffer.from(cross)).png().toBuffer();
}
