import type { SchemaElement } from 'hyparquet';
import { fileWriter, ParquetWriter } from 'hyparquet-writer';
import type { DatasetRow } from '../domain/dataset/record.ts';

/** A row to write: its columns, the size of its PNG and where to get it. */
export interface RowToWrite {
  row: DatasetRow;
  pngBytes: number;
  readPng(): Promise<Uint8Array>;
}

/** Bytes of pictures in one row group: what writer and readers hold in memory at once. */
const GROUP_BYTES = 16 * 1024 * 1024;
/** Rows in one row group at the most. */
const GROUP_ROWS = 100;
/** Bytes of pictures in one file at the most; a larger split is written as several files. */
const FILE_BYTES = 450 * 1024 * 1024;

const TEXT = { type: 'BYTE_ARRAY', converted_type: 'UTF8', repetition_type: 'OPTIONAL' } as const;
const INTEGER = { type: 'INT32', repetition_type: 'OPTIONAL' } as const;

const SCHEMA: SchemaElement[] = [
  { name: 'root', num_children: 11 },
  { name: 'id', ...TEXT },
  { name: 'image', num_children: 2, repetition_type: 'OPTIONAL' },
  { name: 'bytes', type: 'BYTE_ARRAY', repetition_type: 'OPTIONAL' },
  { name: 'path', ...TEXT },
  { name: 'caption', ...TEXT },
  { name: 'artist', ...TEXT },
  { name: 'genre', ...TEXT },
  { name: 'style', ...TEXT },
  { name: 'width', ...INTEGER },
  { name: 'height', ...INTEGER },
  { name: 'flip_allowed', type: 'BOOLEAN', repetition_type: 'OPTIONAL' },
  { name: 'cluster', ...INTEGER },
  { name: 'source', ...TEXT },
];

const COLUMNS = [
  'caption',
  'artist',
  'genre',
  'style',
  'width',
  'height',
  'flip_allowed',
  'cluster',
  'source',
] as const;

/** What `datasets` reads to give the columns their types: `image` decodes to a picture. */
const FEATURES = {
  id: value('string'),
  image: { _type: 'Image' },
  caption: value('string'),
  artist: value('string'),
  genre: value('string'),
  style: value('string'),
  width: value('int32'),
  height: value('int32'),
  flip_allowed: value('bool'),
  cluster: value('int32'),
  source: value('string'),
};

/** The files that a split is written as: rows in order, each file within the size limit, at least one file. */
export function filesOf(rows: readonly RowToWrite[]): RowToWrite[][] {
  return cut(rows, FILE_BYTES, Number.POSITIVE_INFINITY);
}

/** Writes rows as one parquet file, a row group in memory at a time; the same rows give the same bytes. */
export async function writeDatasetParquet(
  path: string,
  rows: readonly RowToWrite[],
  onGroup: () => void,
): Promise<void> {
  const writer = new ParquetWriter({
    writer: fileWriter(path),
    schema: SCHEMA,
    kvMetadata: [{ key: 'huggingface', value: JSON.stringify({ info: { features: FEATURES } }) }],
    createdBy: 'plein-air',
  });
  for (const group of cut(rows, GROUP_BYTES, GROUP_ROWS)) {
    if (group.length === 0) continue;
    const images: { bytes: Uint8Array; path: string }[] = [];
    for (const { row, readPng } of group) images.push({ bytes: await readPng(), path: `${row.id}.png` });
    await writer.write({
      columnData: [
        { name: 'id', data: group.map(({ row }) => row.id) },
        // PNG is compressed already, and comparing pictures for a dictionary or statistics would be waste.
        { name: 'image', data: images, codec: 'UNCOMPRESSED', encoding: 'PLAIN', statistics: false },
        ...COLUMNS.map((name) => ({ name, data: group.map(({ row }) => row[name]) })),
      ],
      rowGroupSize: group.length,
    });
    onGroup();
  }
  await writer.finish();
}

function cut(rows: readonly RowToWrite[], mostBytes: number, mostRows: number): RowToWrite[][] {
  const parts: RowToWrite[][] = [[]];
  let bytes = 0;
  for (const row of rows) {
    let part = parts.at(-1) as RowToWrite[];
    if (part.length > 0 && (part.length >= mostRows || bytes + row.pngBytes > mostBytes)) {
      part = [];
      parts.push(part);
      bytes = 0;
    }
    part.push(row);
    bytes += row.pngBytes;
  }
  return parts;
}

function value(dtype: string): { dtype: string; _type: 'Value' } {
  return { dtype, _type: 'Value' };
}
