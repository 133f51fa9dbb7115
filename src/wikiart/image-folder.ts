import { readdir, readFile } from 'node:fs/promises';
import { join, relative, sep } from 'node:path';
import { PipelineError } from '../domain/errors.ts';
import { parseCsv } from './csv.ts';

/** A picture of a folder with the labels that WikiArt's schema has. */
export interface LabeledFile {
  /** Path below the folder, with forward slashes. */
  path: string;
  artist: string;
  genre: string;
  style: string;
}

const PICTURE = /\.(jpe?g|png|webp|tiff?|gif|avif|heif)$/i;
const LABELS = ['artist', 'genre', 'style'] as const;

/**
 * The pictures below a folder with their labels: from `metadata.jsonl` or `metadata.csv` (`file_name`, `style`, and where
 * known `artist` and `genre`), or, without one, the folder that each picture lies in as its style. All problems at once.
 */
export async function readImageFolder(folder: string): Promise<LabeledFile[]> {
  const paths = (await readdir(folder, { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile() && PICTURE.test(entry.name))
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)).split(sep).join('/'))
    .sort();
  if (paths.length === 0)
    throw new PipelineError(
      'InvalidInput',
      `expected pictures (JPEG, PNG, WebP, TIFF, GIF, AVIF) or parquet files below ${folder}, got none`,
    );
  const rows = await readMetadata(folder);
  return rows === null ? byFolder(paths, folder) : byMetadata(paths, rows, folder);
}

function byFolder(paths: readonly string[], folder: string): LabeledFile[] {
  const loose = paths.filter((path) => !path.includes('/'));
  if (loose.length > 0)
    throw new PipelineError(
      'InvalidInput',
      `expected metadata.jsonl or metadata.csv in ${folder}, or every picture in a folder that is named after its style, got ${loose.length} without a style, such as ${loose[0]}`,
    );
  return paths.map((path) => ({ path, artist: '', genre: '', style: path.split('/').at(-2) ?? '' }));
}

function byMetadata(
  paths: readonly string[],
  rows: readonly Record<string, unknown>[],
  folder: string,
): LabeledFile[] {
  const there = new Set(paths);
  const files: LabeledFile[] = [];
  const problems: string[] = [];
  for (const [at, row] of rows.entries()) {
    const path = typeof row.file_name === 'string' ? row.file_name : '';
    if (path === '') problems.push(`row ${at + 1}: expected file_name, got ${JSON.stringify(row.file_name)}`);
    else if (!there.has(path)) problems.push(`row ${at + 1}: expected a picture at ${path}, got none`);
    if (typeof row.style !== 'string' || row.style === '')
      problems.push(`row ${at + 1}: expected a style, got ${JSON.stringify(row.style)}`);
    const [artist, genre, style] = LABELS.map((name) => (typeof row[name] === 'string' ? row[name] : ''));
    files.push({ path, artist: artist as string, genre: genre as string, style: style as string });
  }
  const named = new Set(files.map(({ path }) => path));
  const unnamed = paths.filter((path) => !named.has(path));
  if (unnamed.length > 0)
    problems.push(
      `expected every picture in the metadata, got ${unnamed.length} that are not, such as ${unnamed[0]}`,
    );
  if (problems.length > 0)
    throw new PipelineError(
      'InvalidInput',
      `the metadata in ${folder} cannot be used:\n${problems.slice(0, 20).join('\n')}${problems.length > 20 ? `\nand ${problems.length - 20} more` : ''}`,
    );
  return files.sort((a, b) => (a.path < b.path ? -1 : 1));
}

/** Rows of the metadata file; null when there is none. */
async function readMetadata(folder: string): Promise<Record<string, unknown>[] | null> {
  const lines = await readFile(join(folder, 'metadata.jsonl'), 'utf8').catch(() => null);
  if (lines !== null)
    return lines
      .split('\n')
      .filter((line) => line.trim() !== '')
      .map((line, at) => jsonLine(line, join(folder, 'metadata.jsonl'), at + 1));
  const table = await readFile(join(folder, 'metadata.csv'), 'utf8').catch(() => null);
  return table === null ? null : parseCsv(table);
}

function jsonLine(line: string, file: string, at: number): Record<string, unknown> {
  try {
    const row: unknown = JSON.parse(line);
    if (typeof row === 'object' && row !== null && !Array.isArray(row)) return { ...row };
  } catch {
    // Said below, with the place.
  }
  throw new PipelineError(
    'InvalidInput',
    `expected a JSON object in ${file}, line ${at}, got ${line.slice(0, 80)}`,
  );
}
