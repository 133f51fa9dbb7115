import type { DroppedCandidate } from '../../domain/dataset/filters.ts';
import { idOf } from '../../domain/dataset/measures.ts';
import { byRank } from '../../domain/dataset/order.ts';
import { type BorderlineImage, DropReason } from '../../domain/dataset/record.ts';
import { contactSheet, type SheetCell } from '../../images/contact-sheet.ts';
import type { AssembleInput, Placed } from './dataset-input.ts';
import type { Slice } from './local-store.ts';

const SHEET_COLUMNS = 10;
const KEPT_CELLS = 60;
const DROPPED_PER_REASON = 10;

/** Pictures to train on, chosen by hash; null when there are none. */
export async function sheetOfKept(input: AssembleInput, placed: readonly Placed[]): Promise<Buffer | null> {
  const sample = placed
    .filter((p) => p.split === 'train')
    .sort(byRank(input.seed, 'sheet', (p) => p.candidate.pixels))
    .slice(0, KEPT_CELLS);
  const cells: SheetCell[] = [];
  for (const { pack, png } of sample)
    cells.push({ picture: () => input.store.readSlice(pack, png), band: null });
  return contactSheet(cells, SHEET_COLUMNS);
}

/** Band colors of the sheet of dropped pictures, by reason. */
export const BAND_COLORS: Record<DropReason, string> = {
  'other-style': '#9b9b9b',
  'other-genre': '#c7c7c7',
  'other-artist': '#b4b4b4',
  corrupt: '#222222',
  'too-many-pixels': '#7d3c98',
  'too-small': '#2874a6',
  'aspect-ratio': '#148f77',
  grayscale: '#7f8c8d',
  scan: '#a0826d',
  'exact-duplicate': '#b03a2e',
  'near-duplicate': '#e67e22',
  blurred: '#85c1e9',
  text: '#f4d03f',
  'artist-cap': '#a9cc82',
  'over-limit': '#d7bde2',
};

/** Pictures that were left out, some for each reason, with the color of the reason under each. */
export async function sheetOfDropped(
  input: AssembleInput,
  later: readonly DroppedCandidate[],
  where: ReadonlyMap<string, { pack: string; png: Slice }>,
): Promise<{ png: Buffer; bands: { reason: DropReason; color: string }[] } | null> {
  const known: { reason: DropReason; source: string; pack: string; slice: Slice | null }[] = [];
  for (const result of input.groups)
    for (const { kind, source, drop, thumbnail } of result.dropped)
      if (kind === 'wanted') known.push({ reason: drop.reason, source, pack: result.pack, slice: thumbnail });
  for (const { candidate, reason } of later) {
    const at = where.get(candidate.source);
    if (at !== undefined) known.push({ reason, source: candidate.source, pack: at.pack, slice: at.png });
  }
  const cells: SheetCell[] = [];
  const bands: { reason: DropReason; color: string }[] = [];
  for (const reason of DropReason.options) {
    const some = known
      .filter((d) => d.reason === reason)
      .sort(byRank(input.seed, 'sheet', (d) => d.source))
      .slice(0, DROPPED_PER_REASON);
    if (some.length === 0) continue;
    const color = BAND_COLORS[reason];
    bands.push({ reason, color });
    for (const { pack, slice } of some)
      cells.push({
        picture: slice === null ? null : () => input.store.readSlice(pack, slice),
        band: color,
      });
  }
  const png = await contactSheet(cells, SHEET_COLUMNS);
  return png === null ? null : { png, bands };
}

/** Band colors of the sheet of borderline pictures. */
export const DOUBT_COLORS: Record<BorderlineImage['doubt'], string> = {
  label: '#c0392b',
  'too-small': '#2874a6',
  'aspect-ratio': '#148f77',
  grayscale: '#7f8c8d',
  scan: '#a0826d',
  text: '#f4d03f',
  'half-flat': '#707b7c',
  'near-duplicate': '#e67e22',
};
const BORDERLINE_CELLS = 60;

/** Kept pictures that deserve another look, with the color of the doubt under each; the sealed test split stays sealed. */
export async function sheetOfBorderline(
  input: AssembleInput,
  placed: readonly Placed[],
  borderline: readonly BorderlineImage[],
): Promise<Buffer | null> {
  const byId = new Map(placed.map((p) => [idOf(p.candidate), p]));
  const cells: SheetCell[] = [];
  for (const { id, doubt, split } of borderline) {
    const at = byId.get(id);
    if (at === undefined || split === 'test' || cells.length >= BORDERLINE_CELLS) continue;
    cells.push({ picture: () => input.store.readSlice(at.pack, at.png), band: DOUBT_COLORS[doubt] });
  }
  return contactSheet(cells, SHEET_COLUMNS);
}
