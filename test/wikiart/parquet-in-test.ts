import { ByteWriter, type KeyValue, ParquetWriter, type SchemaElement } from 'hyparquet-writer';
import { ARTIST_NAMES, GENRE_NAMES, STYLE_NAMES } from '../../src/wikiart/synthetic/labels.ts';

/** A row of a parquet file with WikiArt's schema. */
export interface WikiArtRow {
  bytes: Uint8Array | null;
  artist: string;
  genre: string;
  style: string;
}

const SCHEMA: SchemaElement[] = [
  { name: 'root', num_children: 4 },
  { name: 'image', num_children: 2, repetition_type: 'OPTIONAL' },
  { name: 'bytes', type: 'BYTE_ARRAY', repetition_type: 'OPTIONAL' },
  { name: 'path', type: 'BYTE_ARRAY', converted_type: 'UTF8', repetition_type: 'OPTIONAL' },
  { name: 'artist', type: 'INT64', repetition_type: 'OPTIONAL' },
  { name: 'genre', type: 'INT64', repetition_type: 'OPTIONAL' },
  { name: 'style', type: 'INT64', repetition_type: 'OPTIONAL' },
];

/** Writes rows as huggan/wikiart does: ClassLabel columns as INT64, names in the file's metadata (unless left out). */
export function wikiArtParquet(
  rows: readonly WikiArtRow[],
  options: { groupRows: number; names?: boolean },
): Buffer {
  const bytes = new ByteWriter();
  const label = (names: readonly string[]) => ({ names: [...names], _type: 'ClassLabel' });
  const features = {
    image: { _type: 'Image' },
    artist: label(ARTIST_NAMES),
    genre: label(GENRE_NAMES),
    style: label(STYLE_NAMES),
  };
  const kvMetadata: KeyValue[] =
    options.names === false ? [] : [{ key: 'huggingface', value: JSON.stringify({ info: { features } }) }];
  const writer = new ParquetWriter({ writer: bytes, schema: SCHEMA, kvMetadata });
  const indices = (names: readonly string[], values: string[]) => values.map((v) => BigInt(names.indexOf(v)));
  void writer.write({
    columnData: [
      {
        name: 'image',
        data: rows.map((row) => ({ bytes: row.bytes, path: null })),
        codec: 'UNCOMPRESSED',
        encoding: 'PLAIN',
        statistics: false,
      },
      {
        name: 'artist',
        data: indices(
          ARTIST_NAMES,
          rows.map((row) => row.artist),
        ),
      },
      {
        name: 'genre',
        data: indices(
          GENRE_NAMES,
          rows.map((row) => row.genre),
        ),
      },
      {
        name: 'style',
        data: indices(
          STYLE_NAMES,
          rows.map((row) => row.style),
        ),
      },
    ],
    rowGroupSize: options.groupRows,
  });
  void writer.finish();
  return Buffer.from(bytes.getBytes());
}
