import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { readSidecars, type SidecarCaptions } from './captions.ts';
import type { ChosenStyle, IntakeOptions } from './choose-style.ts';
import { type IntakeLine, lineOf } from './intake-table.ts';
import { type LabeledPictures, type ListedPicture, labelPictures } from './label-pictures.ts';
import { type PlacedMetadata, parseMetadata } from './metadata.ts';
import { type Scan, type ScannedFile, scanFolder } from './scan.ts';

/** A folder of pictures as it would be taken: nothing is uploaded for it yet. */
export interface Intake {
  pictures: ListedPicture[];
  /** Every file in exactly one of them. */
  lines: IntakeLine[];
  /** What is read but not used, and what is done in a way that one may not expect. */
  notes: string[];
  /** Contradictions, all of them; a folder with any is refused. */
  problems: string[];
  /** Style wanted, and what it is from. */
  style: ChosenStyle;
  /** From folders named `10_words`; null: none. */
  trigger: string | null;
}

/** Looks through a folder of pictures: what is taken, what is not and why, and what contradicts itself. */
export async function takeIn(folder: string, scan: Scan, options: IntakeOptions): Promise<Intake> {
  const files = (kind: ScannedFile['kind']) =>
    scan.files.filter((file) => file.kind === kind).map(({ path }) => path);
  const pictures = files('picture');
  const sidecars = await readSidecars(folder, files('text'), pictures);
  const metadata = await readMetadata(folder, files('metadata'));
  const labeled = labelPictures({ pictures, sidecars, metadata, options });
  const problems = [
    ...scan.problems,
    ...sidecars.problems,
    ...metadata.flatMap(({ file }) => file.problems),
    ...labeled.problems,
  ];
  const lines = linesOf(scan.files, sidecars, labeled);
  if (pictures.length === 0) problems.push(nothingIn(folder, lines));
  const unread = files('metadata-json')[0];
  if (unread !== undefined && metadata.length === 0)
    problems.push(
      `${unread}: expected metadata.jsonl with one object a line, got a single JSON file: rewrite it, or take it out of the folder`,
    );
  const parquet = files('parquet')[0];
  if (parquet !== undefined && pictures.length > 0)
    problems.push(
      `expected pictures or parquet files, got both: ${pictures[0]} and ${parquet}; keep one kind`,
    );
  return {
    pictures: labeled.pictures.filter(({ style }) => style !== ''),
    lines,
    notes: labeled.notes,
    problems,
    style: labeled.style,
    trigger: labeled.trigger,
  };
}

/** {@link scanFolder}, then {@link takeIn}. */
export async function takeInFolder(folder: string, options: IntakeOptions): Promise<Intake> {
  return takeIn(folder, await scanFolder(folder), options);
}

async function readMetadata(folder: string, paths: readonly string[]): Promise<PlacedMetadata[]> {
  const read: PlacedMetadata[] = [];
  for (const path of paths) {
    const bytes = await readFile(join(folder, path)).catch((error: NodeJS.ErrnoException) =>
      String(error.code),
    );
    const file =
      typeof bytes === 'string'
        ? { rows: [], problems: [`${path}: expected to be allowed to read it, got ${bytes}`] }
        : parseMetadata(path, bytes);
    read.push({ path, folder: path.includes('/') ? path.slice(0, path.lastIndexOf('/')) : '', file });
  }
  return read;
}

function nothingIn(folder: string, lines: readonly IntakeLine[]): string {
  const got = lines.map(({ what, files }) => `${files.length} ${what}, such as ${files[0]}`).join('; ');
  return `expected pictures (JPEG, PNG, WebP, TIFF, GIF, AVIF) or parquet files below ${folder}, got ${got || 'an empty folder'}`;
}

/** The table: every file in exactly one line. */
function linesOf(
  files: readonly ScannedFile[],
  sidecars: SidecarCaptions,
  { pictures, style }: Pick<LabeledPictures, 'pictures' | 'style'>,
): IntakeLine[] {
  const listed = new Map(pictures.map((picture) => [picture.path, picture]));
  const groups = new Map<string, { line: IntakeLine; formats: Set<string> }>();
  for (const file of files) {
    const line = lineOf(file, { listed, style: style.name, sidecars });
    const group = groups.get(line.what) ?? {
      line: { ...line, files: [] },
      formats: new Set<string>(),
    };
    group.line.files.push(file.path);
    if (file.format !== undefined) group.formats.add(file.format);
    groups.set(line.what, group);
  }
  return [...groups.values()]
    .map(({ line, formats }) => ({
      ...line,
      what: formats.size === 0 ? line.what : `${line.what} (${[...formats].sort().join(', ')})`,
    }))
    .sort(
      (a, b) =>
        Number(b.taken) - Number(a.taken) || b.files.length - a.files.length || (a.what < b.what ? -1 : 1),
    );
}
