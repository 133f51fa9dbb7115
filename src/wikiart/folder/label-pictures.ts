import { foldLabel, oneSpelling } from '../../domain/dataset/labels.ts';
import { checkCaption, type SidecarCaptions } from './captions.ts';
import { type ChosenStyle, chooseStyle, type IntakeOptions } from './choose-style.ts';
import { PictureNames } from './find-picture.ts';
import { labelsOfPlace, type PlaceLabels } from './layout.ts';
import { CAPTION_COLUMNS, FILE_COLUMNS, type MetadataRow, type PlacedMetadata } from './metadata.ts';

/** A picture of a folder with all that is said of it; empty strings: nothing. */
export interface ListedPicture {
  /** Path below the folder, with forward slashes. */
  path: string;
  style: string;
  artist: string;
  genre: string;
  /** In the user's words; null: none. */
  caption: string | null;
}

/** Pictures with their labels, and everything that contradicts itself. */
export interface LabeledPictures {
  pictures: ListedPicture[];
  style: ChosenStyle;
  trigger: string | null;
  notes: string[];
  problems: string[];
}

interface Row extends MetadataRow {
  picture: string;
}

/** Puts together what metadata, text files, folders and names say of each picture. */
export function labelPictures(p: {
  pictures: readonly string[];
  sidecars: SidecarCaptions;
  metadata: readonly PlacedMetadata[];
  options: IntakeOptions;
}): LabeledPictures {
  const problems: string[] = [];
  const rows = rowsOf(p.pictures, p.metadata, problems);
  const places = new Map(p.pictures.map((path) => [path, labelsOfPlace(path)]));
  const hasStyles = [...rows.values()].some(({ columns }) => textOf(columns.style) !== '');
  const pictures = p.pictures.map((path): ListedPicture => {
    const row = rows.get(path);
    const place = places.get(path) as PlaceLabels;
    return {
      path,
      style: hasStyles ? textOf(row?.columns.style) : (place.style ?? ''),
      artist: textOf(row?.columns.artist) || place.artist,
      genre: textOf(row?.columns.genre),
      caption: captionOf(path, row, p.sidecars, problems),
    };
  });
  const trigger = triggerOf([...places.values()], problems);
  const style = chooseStyle(
    pictures.map((picture) => picture.style),
    { ...p.options, from: hasStyles ? 'the metadata' : 'the folders', isGiven: hasStyles, trigger },
    problems,
  );
  return {
    pictures: withOneSpelling(pictures, style.name, hasStyles),
    style,
    trigger,
    notes: notesOf([...places.values()], [...rows.values()]),
    problems,
  };
}

/** The metadata row of each picture; two for one, one for none and a picture in no row are problems. */
function rowsOf(
  pictures: readonly string[],
  metadata: readonly PlacedMetadata[],
  problems: string[],
): Map<string, Row> {
  const names = new PictureNames(pictures);
  const rows = new Map<string, Row>();
  const folders = new Map<string, string>();
  for (const { path, folder, file } of metadata) {
    const other = folders.get(folder);
    if (other !== undefined) {
      problems.push(`expected one metadata file in a folder, got ${other} and ${path}: keep one`);
      continue;
    }
    folders.set(folder, path);
    for (const row of file.rows) {
      const named = FILE_COLUMNS.map((column) => row.columns[column]).find((value) => textOf(value) !== '');
      if (named === undefined) {
        problems.push(
          `${row.where}: expected file_name, got ${Object.keys(row.columns).join(', ') || 'nothing'}`,
        );
        continue;
      }
      const found = names.find(textOf(named), folder);
      if ('problem' in found) {
        problems.push(`${row.where}: ${found.problem}`);
        continue;
      }
      const before = rows.get(found.path);
      if (before !== undefined)
        problems.push(
          `${row.where}: expected each picture once, got ${found.path} again (first in ${before.where})`,
        );
      else rows.set(found.path, { ...row, picture: found.path });
    }
  }
  const covered = [...folders.keys()];
  const isCovered = (path: string) =>
    covered.some((folder) => folder === '' || path.startsWith(`${folder}/`));
  const unnamed = pictures.filter((path) => !rows.has(path) && isCovered(path));
  const isWhole = problems.length === 0 && metadata.every(({ file }) => file.problems.length === 0);
  if (unnamed.length > 0 && isWhole)
    problems.push(
      `expected every picture in the metadata, got ${unnamed.length} that are not: ${unnamed.slice(0, 3).join(', ')}`,
    );
  return rows;
}

/** A picture's caption from its row or its text file; both are fine where they agree. */
function captionOf(
  path: string,
  row: Row | undefined,
  sidecars: SidecarCaptions,
  problems: string[],
): string | null {
  const beside = sidecars.of.get(path);
  const said = CAPTION_COLUMNS.map((column) => ({ column, text: row?.columns[column] })).filter(
    ({ text }) => textOf(text) !== '',
  );
  const [first, other] = said;
  if (first === undefined || row === undefined) return beside?.text ?? null;
  if (other !== undefined && textOf(first.text) !== textOf(other.text))
    problems.push(
      `${row.where}: expected one caption, got different ones in ${first.column} and ${other.column}`,
    );
  const checked = checkCaption(textOf(first.text));
  if (!checked.ok) {
    problems.push(`${row.where}: ${checked.problem}`);
    return null;
  }
  if (beside !== undefined && beside.text !== checked.caption)
    problems.push(`${path}: expected one caption, got different ones in ${row.where} and ${beside.file}`);
  return checked.caption === '' ? (beside?.text ?? null) : checked.caption;
}

function textOf(value: unknown): string {
  return typeof value === 'string'
    ? value.normalize('NFC').trim()
    : typeof value === 'number'
      ? String(value)
      : '';
}

function triggerOf(places: readonly PlaceLabels[], problems: string[]): string | null {
  const words = [...new Set(places.flatMap(({ trigger }) => (trigger === null ? [] : [trigger])))];
  if (words.length > 1)
    problems.push(
      `expected folders with one trigger, got ${words.map((w) => `"${w}"`).join(', ')}: train one at a time, or rename the folders alike`,
    );
  return words[0] ?? null;
}

/** Pictures of the style wanted have its spelling; with folders that name no such style, all of them are of it. */
function withOneSpelling(
  pictures: readonly ListedPicture[],
  style: string,
  hasStyles: boolean,
): ListedPicture[] {
  const isNamed = pictures.some((picture) => foldLabel(picture.style) === foldLabel(style));
  const spelled = oneSpelling(style);
  return pictures.map((picture) => ({
    ...picture,
    style: !hasStyles && !isNamed ? style : spelled(picture.style),
  }));
}

const USED = new Set<string>([...FILE_COLUMNS, ...CAPTION_COLUMNS, 'style', 'artist', 'genre']);

function notesOf(places: readonly PlaceLabels[], rows: readonly Row[]): string[] {
  const notes: string[] = [];
  const unused = [...new Set(rows.flatMap(({ columns }) => Object.keys(columns)))].filter(
    (name) => !USED.has(name) && name !== '',
  );
  if (unused.length > 0) notes.push(`columns that are not used: ${unused.join(', ')}`);
  const splits = [...new Set(places.flatMap(({ split }) => (split === null ? [] : [split])))];
  if (splits.length > 0)
    notes.push(
      `folders ${splits.join(', ')}: all pictures are dealt anew, so that no copy of one is in two splits`,
    );
  if (places.some(({ trigger }) => trigger !== null))
    notes.push('repeats in folder names are not used: training.steps says how often a picture is seen');
  return notes;
}
