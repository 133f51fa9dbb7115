import { open, readdir, realpath, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { PipelineError } from '../../domain/errors.ts';
import { contentKind, namedKind, SNIFF_BYTES } from './picture-kind.ts';

/** What becomes of a file of a folder, by name and first bytes alone. */
export type FileKind =
  | 'picture'
  | 'parquet'
  | 'metadata'
  | 'text'
  | 'hidden'
  | 'unreadable-format'
  | 'not-a-picture'
  | 'empty'
  | 'too-large'
  | 'archive'
  | 'metadata-json'
  | 'broken-link'
  | 'other';

/** A file below a folder. */
export interface ScannedFile {
  /** Path below the folder, with forward slashes, as the file system spells it. */
  path: string;
  kind: FileKind;
  /** What it holds, where that is why it is not taken: "HEIC". */
  format?: string;
}

/** Everything below a folder, and what could not be looked at. */
export interface Scan {
  files: ScannedFile[];
  problems: string[];
}

/** Folders that programs make for themselves. */
const SYSTEM_FOLDERS = new Set([
  '@eadir',
  '__macosx',
  '#recycle',
  '$recycle.bin',
  'system volume information',
]);
const SYSTEM_FILES = new Set(['thumbs.db', 'desktop.ini', 'ehthumbs.db']);
/** Bytes of a picture at the most, as many as are decoded. */
const MAX_PICTURE_BYTES = 256 * 1024 * 1024;
/** Files below a folder at the most. */
const MAX_FILES = 500_000;

/** Lists every file below a folder; links are followed, and a folder that contains itself is entered once. */
export async function scanFolder(folder: string): Promise<Scan> {
  const scan: Scan = { files: [], problems: [] };
  await walk({ folder, path: '', hidden: false, above: [await realpath(folder)], scan });
  scan.files.sort((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0));
  return scan;
}

interface Walk {
  folder: string;
  /** Path below the folder; empty: the folder itself. */
  path: string;
  hidden: boolean;
  /** Real paths of the folders above, for links that lead back. */
  above: string[];
  scan: Scan;
}

async function walk({ folder, path, hidden, above, scan }: Walk): Promise<void> {
  const entries = await attempt(scan, path === '' ? folder : path, () =>
    readdir(join(folder, path), { withFileTypes: true }),
  );
  for (const entry of entries ?? []) {
    const at = path === '' ? entry.name : `${path}/${entry.name}`;
    const isHidden = hidden || isSystem(entry.name);
    const found = entry.isSymbolicLink() ? await stat(join(folder, at)).catch(() => null) : entry;
    if (scan.files.length > MAX_FILES)
      throw new PipelineError(
        'InvalidInput',
        `expected at most ${MAX_FILES} files below ${folder}, got more: choose the folder that holds the pictures`,
      );
    if (found === null) scan.files.push({ path: at, kind: 'broken-link' });
    else if (found.isDirectory()) {
      const real = entry.isSymbolicLink()
        ? await realpath(join(folder, at))
        : join(above.at(-1) as string, entry.name);
      if (above.includes(real)) scan.files.push({ path: at, kind: 'broken-link' });
      else {
        if (metadataKind(entry.name) === 'metadata')
          scan.problems.push(`${at}: expected a file, got a folder of that name`);
        await walk({ folder, path: at, hidden: isHidden, above: [...above, real], scan });
      }
    } else if (found.isFile())
      scan.files.push({
        path: at,
        ...(isHidden ? { kind: 'hidden' as const } : await kindOf(folder, at, scan)),
      });
    else scan.files.push({ path: at, kind: 'other' });
  }
}

function isSystem(name: string): boolean {
  const folded = name.toLowerCase();
  return name.startsWith('.') || SYSTEM_FOLDERS.has(folded) || SYSTEM_FILES.has(folded);
}

function metadataKind(name: string): 'metadata' | 'metadata-json' | null {
  if (/^metadata\.(jsonl|csv|tsv)$/i.test(name)) return 'metadata';
  return /^metadata\.json$/i.test(name) ? 'metadata-json' : null;
}

async function kindOf(folder: string, path: string, scan: Scan): Promise<Omit<ScannedFile, 'path'>> {
  const name = path.slice(path.lastIndexOf('/') + 1);
  const metadata = metadataKind(name);
  if (metadata !== null) return { kind: metadata };
  if (/\.(txt|caption)$/i.test(name)) return { kind: 'text' };
  if (/\.parquet$/i.test(name)) return { kind: 'parquet' };
  const named = namedKind(name);
  if (named !== 'picture') return named === null ? { kind: 'other' } : { kind: named, format: ending(name) };
  const head = await attempt(scan, path, () => headOf(join(folder, path)));
  if (head === null) return { kind: 'other' };
  if (head === 'too-large') return { kind: 'too-large' };
  if (head.length === 0) return { kind: 'empty' };
  const content = contentKind(head);
  if (content === null) return { kind: 'not-a-picture' };
  return content.readable ? { kind: 'picture' } : { kind: 'unreadable-format', format: content.format };
}

function ending(name: string): string {
  return name.slice(name.lastIndexOf('.') + 1).toUpperCase();
}

async function headOf(file: string): Promise<Uint8Array | 'too-large'> {
  const handle = await open(file, 'r');
  try {
    if ((await handle.stat()).size > MAX_PICTURE_BYTES) return 'too-large';
    const head = new Uint8Array(SNIFF_BYTES);
    const { bytesRead } = await handle.read(head, 0, SNIFF_BYTES, 0);
    return head.subarray(0, bytesRead);
  } finally {
    await handle.close();
  }
}

/** What cannot be read is a problem of its own, named with all others. */
async function attempt<T>(scan: Scan, path: string, read: () => Promise<T>): Promise<T | null> {
  try {
    return await read();
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : String(error);
    scan.problems.push(`${path}: expected to be allowed to read it, got ${code}`);
    return null;
  }
}
