import { decodeText } from './text-file.ts';

/** A row of a metadata file: columns by name in lower case, and where it is from. */
export interface MetadataRow {
  /** For people: "train/metadata.csv line 3". */
  where: string;
  columns: Record<string, unknown>;
}

/** Rows of a metadata file, or everything that speaks against it. */
export interface MetadataFile {
  rows: MetadataRow[];
  problems: string[];
}

/** A metadata file and the folder that its names are seen from. */
export interface PlacedMetadata {
  path: string;
  folder: string;
  file: MetadataFile;
}

/** Columns that name a picture, and those that hold its caption; one of each at the most. */
export const FILE_COLUMNS = ['file_name', 'filename', 'file', 'image'] as const;
export const CAPTION_COLUMNS = ['caption', 'text', 'prompt'] as const;

/** Reads `metadata.jsonl`, `metadata.csv` or `metadata.tsv`, whatever its encoding, line ends and separators. */
export function parseMetadata(path: string, bytes: Uint8Array): MetadataFile {
  const decoded = decodeText(bytes);
  if (!decoded.ok) return { rows: [], problems: [`${path}: ${decoded.problem}`] };
  return /\.jsonl$/i.test(path) ? parseJsonLines(path, decoded.text) : parseTable(path, decoded.text);
}

function parseJsonLines(path: string, text: string): MetadataFile {
  const file: MetadataFile = { rows: [], problems: [] };
  for (const [at, line] of text.split(/\r\n|\n|\r/).entries()) {
    if (line.trim() === '') continue;
    const where = `${path} line ${at + 1}`;
    const row = objectOf(line);
    if (row === null) file.problems.push(`${where}: expected a JSON object, got ${shown(line)}`);
    else file.rows.push({ where, columns: withFoldedNames(Object.entries(row)) });
  }
  return file;
}

function objectOf(line: string): Record<string, unknown> | null {
  try {
    const row: unknown = JSON.parse(line);
    return typeof row === 'object' && row !== null && !Array.isArray(row) ? { ...row } : null;
  } catch {
    return null;
  }
}

/** Text on one line with what cannot be seen written out, at most 80 characters of it. */
export function shown(text: string): string {
  return JSON.stringify(text.slice(0, 80)).replaceAll(
    /[\u007f-\u009f\u200b-\u200f\u2028-\u202e\ufeff]/g,
    (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

function withFoldedNames(entries: readonly [string, unknown][]): Record<string, unknown> {
  return Object.fromEntries(entries.map(([name, value]) => [columnName(name), value]));
}

/** `File Name` and `file-name` are `file_name`. */
export function columnName(name: string): string {
  return name
    .trim()
    .toLowerCase()
    .replaceAll(/[\s-]+/g, '_');
}

function parseTable(path: string, text: string): MetadataFile {
  const first = text.slice(0, /[\r\n]/.exec(text)?.index ?? text.length);
  const separators = [',', ';', '\t'] as const;
  const namesFile = (separator: string) =>
    (cells(first, separator)[0]?.values ?? []).some((name) =>
      (FILE_COLUMNS as readonly string[]).includes(columnName(name)),
    );
  const separator = separators.find(namesFile);
  if (separator === undefined)
    return {
      rows: [],
      problems: [`${path}: expected a column file_name in the first line, got ${shown(first)}`],
    };
  const [head, ...body] = cells(text, separator);
  const names = (head?.values ?? []).map(columnName);
  const file: MetadataFile = { rows: [], problems: [] };
  for (const { line, values } of body) {
    if (values.every((value) => value.trim() === '')) continue;
    const where = `${path} line ${line}`;
    if (values.length > names.length)
      file.problems.push(
        `${where}: expected ${names.length} columns, got ${values.length}: put quotes around text that holds "${separator === '\t' ? 'a tab' : separator}"`,
      );
    else
      file.rows.push({
        where,
        columns: Object.fromEntries(names.map((name, at) => [name, values[at] ?? ''])),
      });
  }
  return file;
}

/** Cells of a CSV text (RFC 4180: quotes, doubled quotes, line breaks inside quotes), each row with its line. */
function cells(text: string, separator: string): { line: number; values: string[] }[] {
  const rows: { line: number; values: string[] }[] = [];
  let values: string[] = [];
  let [field, quoted, line, start] = ['', false, 1, 1];
  const endRow = (): void => {
    rows.push({ line: start, values: [...values, field] });
    [values, field, start] = [[], '', line];
  };
  for (let i = 0; i < text.length; i++) {
    const c = text[i] as string;
    const isBreak = c === '\n' || c === '\r';
    if (c === '\r' && text[i + 1] === '\n') i += 1;
    if (isBreak) line += 1;
    if (quoted) {
      if (c !== '"') field += isBreak ? '\n' : c;
      else if (text[i + 1] === '"') {
        field += '"';
        i += 1;
      } else quoted = false;
    } else if (c === '"' && field.trim() === '') [quoted, field] = [true, ''];
    else if (c === separator) {
      values.push(field);
      field = '';
    } else if (isBreak) endRow();
    else field += c;
  }
  if (field !== '' || values.length > 0) endRow();
  return rows;
}
