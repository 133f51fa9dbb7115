import { mkdir, mkdtemp, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { FileMetaData } from 'hyparquet';
import { SourceColumns } from '../domain/config/source-columns.ts';
import { PipelineError } from '../domain/errors.ts';
import { type ClassLabels, labelsFromParquet } from './class-labels.ts';
import type { HubFile } from './hub-file.ts';
import { inParquetProcess, type ParquetTask, type PicturePlace } from './parquet-process.ts';
import { findColumns } from './source-columns.ts';

/** Bytes of a file's end that are asked for first: enough for the footer of most shards, and a second request gets the rest. */
const FOOTER_BYTES = 1 << 14;

/** The labels of one row group, by name. */
export interface GroupLabels {
  group: number;
  firstRow: number;
  rows: number;
  imageBytes: number;
  artists: string[];
  genres: string[];
  /** Empty where a row has none, or the source no such column. */
  styles: string[];
  /** In the source's own words, empty where a row has none; absent: it has no such column. */
  captions?: string[] | undefined;
  /** The user's own files; absent: the source does not name them. */
  files?: string[] | undefined;
}

/** An open parquet file of the source: its footer is read. */
export interface Shard {
  file: HubFile;
  metadata: FileMetaData;
}

/** Reads a parquet file's footer. */
export async function openShard(file: HubFile): Promise<Shard> {
  try {
    const metadata = await inParquetProcess<FileMetaData>(file, {
      kind: 'metadata',
      initialFetchSize: FOOTER_BYTES,
    });
    return { file, metadata };
  } catch (error) {
    if (error instanceof PipelineError || (error instanceof Error && error.name === 'AbortError'))
      throw error;
    throw new PipelineError(
      'BadData',
      `Expected a parquet file, got one whose footer cannot be read (${file.path}, ${file.byteLength} bytes): ${messageOf(error)}`,
      { cause: error },
    );
  }
}

/** Reads labels and words of every row, and no picture: some kilobytes a file. */
export async function readLabels(
  shard: Shard,
  fallback: ClassLabels | null,
  wanted: SourceColumns = SourceColumns.parse({}),
): Promise<GroupLabels[]> {
  const labels = labelsFromParquet(shard.metadata) ?? fallback ?? {};
  const found = findColumns(shard.metadata, wanted, shard.file.path);
  const names = [found.artist, found.genre, found.style, found.caption, found.file].filter(
    (name) => name !== null,
  );
  const groups: GroupLabels[] = [];
  let firstRow = 0;
  for (const [group, rowGroup] of shard.metadata.row_groups.entries()) {
    const rows = Number(rowGroup.num_rows);
    const read = names.length === 0 ? [] : await readColumns(shard, names, firstRow, firstRow + rows);
    const column = (name: string | null): string[] =>
      name === null
        ? new Array<string>(rows).fill('')
        : read.map((row, at) => nameOf(row[name], name, labels[name], `${shard.file.path}:${firstRow + at}`));
    groups.push({
      group,
      firstRow,
      rows,
      imageBytes: imageBytesOf(rowGroup.columns, found.image),
      artists: column(found.artist),
      genres: column(found.genre),
      styles: column(found.style),
      ...(found.caption === null ? {} : { captions: column(found.caption) }),
      ...(found.file === null ? {} : { files: column(found.file) }),
    });
    firstRow += rows;
  }
  return groups;
}

/** The encoded pictures of one row group, in a file on the disk. */
export interface GroupPictures {
  /** Bytes of the picture of a row of the group; null where the row has none. */
  at(row: number): Promise<Uint8Array | null>;
  close(): Promise<void>;
}

/** Reads the encoded pictures of one row group, one request of at most some megabytes after the other, into a folder's file. */
export async function readPictures(
  shard: Shard,
  group: { firstRow: number; rows: number },
  folder: string,
  image = 'image',
): Promise<GroupPictures> {
  await mkdir(folder, { recursive: true });
  const scratch = await mkdtemp(join(folder, 'pictures-'));
  try {
    const output = join(scratch, 'pictures');
    const [rowStart, rowEnd] = [group.firstRow, group.firstRow + group.rows];
    const places = await decoded<PicturePlace[]>(shard, {
      kind: 'pictures',
      metadata: shard.metadata,
      columns: [image],
      rowStart,
      rowEnd,
      input: join(scratch, 'ranges'),
      output,
    });
    const pictures = await open(output, 'r');
    return {
      async at(row) {
        const place = places[row] ?? null;
        if (place === null) return null;
        const bytes = new Uint8Array(place.length);
        const { bytesRead } = await pictures.read(bytes, 0, place.length, place.at);
        if (bytesRead !== place.length)
          throw new PipelineError(
            'Internal',
            `Expected ${place.length} bytes of row ${rowStart + row} of ${shard.file.path} in the scratch file, got ${bytesRead}: retry`,
          );
        return bytes;
      },
      close: () => pictures.close(),
    };
  } finally {
    // The open file stays readable without a name, and is gone with the process at the latest.
    await rm(scratch, { recursive: true, force: true });
  }
}

async function readColumns(
  shard: Shard,
  columns: string[],
  rowStart: number,
  rowEnd: number,
): Promise<Record<string, unknown>[]> {
  return decoded(shard, { kind: 'rows', metadata: shard.metadata, columns, rowStart, rowEnd });
}

async function decoded<T>({ file }: Shard, task: Exclude<ParquetTask, { kind: 'metadata' }>): Promise<T> {
  try {
    return await inParquetProcess<T>(file, task);
  } catch (error) {
    if (error instanceof PipelineError || (error instanceof Error && error.name === 'AbortError'))
      throw error;
    const { rowStart, rowEnd, columns } = task;
    throw new PipelineError(
      'BadData',
      `Expected rows ${rowStart} to ${rowEnd} of ${columns.join(', ')} in ${file.path}, got: ${messageOf(error)}`,
      { cause: error },
    );
  }
}

function nameOf(value: unknown, column: string, names: string[] | undefined, where: string): string {
  if (typeof value === 'string') return value;
  if (value instanceof Uint8Array) return new TextDecoder().decode(value);
  if (value === null || value === undefined) return '';
  if (typeof value !== 'number' && typeof value !== 'bigint')
    throw new PipelineError('BadData', `Expected a label in ${column}, got ${typeof value} (${where})`);
  if (names === undefined)
    throw new PipelineError(
      'BadData',
      `Expected class names for ${column}, got none in the file's metadata or the dataset card (${where})`,
    );
  return names[Number(value)] ?? '';
}

function imageBytesOf(columns: FileMetaData['row_groups'][number]['columns'], image: string): number {
  return columns
    .filter((chunk) => chunk.meta_data?.path_in_schema[0] === image)
    .reduce((sum, chunk) => sum + Number(chunk.meta_data?.total_compressed_size ?? 0n), 0);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
