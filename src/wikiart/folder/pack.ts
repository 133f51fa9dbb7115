import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { fileWriter, ParquetWriter, type SchemaElement } from 'hyparquet-writer';
import { PipelineError } from '../../domain/errors.ts';
import type { Sha256 } from '../../domain/refs.ts';
import { sha256Of, sha256OfFile } from '../../hub/hashing.ts';
import { FILE_COLUMN } from '../source-columns.ts';
import type { ListedPicture } from './label-pictures.ts';

/** Rows of a row group and of a file that pictures are packed into. */
const GROUP_ROWS = 100;
const FILE_ROWS = 1000;

const TEXT = { type: 'BYTE_ARRAY', converted_type: 'UTF8', repetition_type: 'OPTIONAL' } as const;
const WORDS = [FILE_COLUMN, 'style', 'artist', 'genre', 'caption'] as const;
const SCHEMA: SchemaElement[] = [
  { name: 'root', num_children: 1 + WORDS.length },
  { name: 'image', num_children: 2, repetition_type: 'OPTIONAL' },
  { name: 'bytes', type: 'BYTE_ARRAY', repetition_type: 'OPTIONAL' },
  { name: 'path', ...TEXT },
  ...WORDS.map((name) => ({ name, ...TEXT })),
];

/** A folder's pictures with the sha256 that each had when it was looked at. */
export interface HashedPictures {
  pictures: (ListedPicture & { sha256: Sha256 })[];
  /** sha256 over names, labels, captions and bytes. */
  digest: string;
}

/** Hashes every picture; what is packed later must be the same bytes. */
export async function hashPictures(
  folder: string,
  pictures: readonly ListedPicture[],
  onPicture: (done: number) => void,
): Promise<HashedPictures> {
  const digest = createHash('sha256');
  const hashed: HashedPictures['pictures'] = [];
  for (const [at, picture] of pictures.entries()) {
    const sha256 = await unlessGone(picture.path, () => sha256OfFile(join(folder, picture.path)));
    const { path, style, artist, genre, caption } = picture;
    digest.update(`${JSON.stringify([path, style, artist, genre, caption, sha256])}\n`);
    hashed.push({ ...picture, sha256 });
    onPicture(at + 1);
  }
  return { pictures: hashed, digest: digest.digest('hex') };
}

/** Packs pictures into parquet files, one row group in memory at a time; refuses one that changed since it was hashed. */
export async function packPictures(
  folder: string,
  pictures: HashedPictures['pictures'],
  scratch: string,
): Promise<{ path: string; content: { file: string } }[]> {
  const count = Math.ceil(pictures.length / FILE_ROWS);
  const files: { path: string; content: { file: string } }[] = [];
  const padded = (n: number): string => String(n).padStart(5, '0');
  for (let at = 0; at < count; at++) {
    const name = `train-${padded(at)}-of-${padded(count)}.parquet`;
    const writer = new ParquetWriter({ writer: fileWriter(join(scratch, name)), schema: SCHEMA });
    const own = pictures.slice(at * FILE_ROWS, (at + 1) * FILE_ROWS);
    for (let first = 0; first < own.length; first += GROUP_ROWS) {
      const group = own.slice(first, first + GROUP_ROWS);
      const images: { bytes: Uint8Array; path: string }[] = [];
      for (const picture of group)
        images.push({ bytes: await unchanged(folder, picture), path: basename(picture.path) });
      const words = {
        [FILE_COLUMN]: group.map(({ path }) => path),
        style: group.map(({ style }) => style),
        artist: group.map(({ artist }) => artist),
        genre: group.map(({ genre }) => genre),
        caption: group.map(({ caption }) => caption),
      };
      await writer.write({
        columnData: [
          { name: 'image', data: images, codec: 'UNCOMPRESSED', encoding: 'PLAIN', statistics: false },
          ...WORDS.map((column) => ({ name: column, data: words[column] ?? [] })),
        ],
        rowGroupSize: group.length,
      });
    }
    await writer.finish();
    files.push({ path: `data/${name}`, content: { file: join(scratch, name) } });
  }
  return files;
}

async function unchanged(
  folder: string,
  { path, sha256 }: HashedPictures['pictures'][number],
): Promise<Buffer> {
  const bytes = await unlessGone(path, () => readFile(join(folder, path)));
  if (sha256Of(bytes) === sha256) return bytes;
  throw changedWhileRead(path);
}

async function unlessGone<T>(path: string, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    throw changedWhileRead(path, error);
  }
}

/** The error of a folder that somebody writes into while it is read. */
export function changedWhileRead(path: string, cause?: unknown): PipelineError {
  const code = cause instanceof Error && 'code' in cause ? ` (${String(cause.code)})` : '';
  return new PipelineError(
    'InvalidInput',
    `expected ${path} to stay as it is while it is read, got a change${code}: run again once nothing writes into the folder`,
    { cause },
  );
}
