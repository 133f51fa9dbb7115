import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ByteWriter, parquetWrite } from 'hyparquet-writer';
import { datasetCard } from './card.ts';
import { encodeRow } from './encode.ts';
import { fingerprintOf } from './fingerprint.ts';
import { ARTIST_NAMES, GENRE_NAMES, STYLE_NAMES } from './labels.ts';
import { completeOptions, type GeneratedWikiArtOptions } from './options.ts';
import { type PlannedRow, planRows } from './plan.ts';

/** What is true of one row, for tests; the pipeline never reads it. */
export interface TrueRow extends PlannedRow {
  /** Parquet file, relative to the folder. */
  readonly file: string;
  /** Row within that file. */
  readonly row: number;
}

const SCHEMA = [
  { name: 'root', num_children: 4 },
  { name: 'image', num_children: 2, repetition_type: 'OPTIONAL' as const },
  { name: 'bytes', type: 'BYTE_ARRAY' as const, repetition_type: 'OPTIONAL' as const },
  {
    name: 'path',
    type: 'BYTE_ARRAY' as const,
    converted_type: 'UTF8' as const,
    repetition_type: 'OPTIONAL' as const,
  },
  { name: 'artist', type: 'INT64' as const, repetition_type: 'OPTIONAL' as const },
  { name: 'genre', type: 'INT64' as const, repetition_type: 'OPTIONAL' as const },
  { name: 'style', type: 'INT64' as const, repetition_type: 'OPTIONAL' as const },
];

/** `huggingface` metadata of huggan/wikiart's parquet files, so that `datasets` yields Image and ClassLabel columns. */
const FEATURES = JSON.stringify({
  info: {
    features: {
      image: { _type: 'Image' },
      artist: { names: ARTIST_NAMES, _type: 'ClassLabel' },
      genre: { names: GENRE_NAMES, _type: 'ClassLabel' },
      style: { names: STYLE_NAMES, _type: 'ClassLabel' },
    },
  },
});

/**
 * Writes the generated WikiArt: parquet shards in huggan/wikiart's schema, a card that says it is generated,
 * `generator.json` (fingerprint and options) and `truth.json` (what is wrong with each row, for tests only).
 */
export async function writeGeneratedWikiArt(
  folder: string,
  options: GeneratedWikiArtOptions = {},
): Promise<{ files: string[]; images: number; fingerprint: string }> {
  const complete = completeOptions(options);
  const rows = planRows(complete);
  await mkdir(join(folder, 'data'), { recursive: true });
  const files: string[] = [];
  const truth: TrueRow[] = [];
  const perShard = Math.ceil(rows.length / complete.shards);
  for (let shard = 0; shard < complete.shards; shard++) {
    const file = `data/train-${pad(shard)}-of-${pad(complete.shards)}.parquet`;
    const own = rows.slice(shard * perShard, (shard + 1) * perShard);
    await writeFile(join(folder, file), await shardBytes(own, complete.rowsPerGroup));
    files.push(file);
    truth.push(...own.map((planned, row) => ({ ...planned, file, row })));
  }
  const fingerprint = fingerprintOf(complete);
  await writeFile(join(folder, 'README.md'), datasetCard(complete));
  await writeFile(
    join(folder, 'truth.json'),
    `${JSON.stringify({ generated: true, rows: truth }, null, 1)}\n`,
  );
  await writeFile(
    join(folder, 'generator.json'),
    `${JSON.stringify({ fingerprint, ...complete }, null, 2)}\n`,
  );
  return { files: [...files, 'README.md', 'generator.json', 'truth.json'], images: rows.length, fingerprint };
}

async function shardBytes(rows: readonly PlannedRow[], rowsPerGroup: number): Promise<Uint8Array> {
  const images = await inPairs(rows, async (row) => {
    const { bytes, extension } = await encodeRow(row);
    return { bytes, path: `generated-${String(row.index).padStart(6, '0')}.${extension}` };
  });
  const writer = new ByteWriter();
  void parquetWrite({
    writer,
    schema: SCHEMA,
    rowGroupSize: rowsPerGroup,
    createdBy: 'plein-air generated WikiArt',
    kvMetadata: [{ key: 'huggingface', value: FEATURES }],
    columnData: [
      { name: 'image', data: images, codec: 'UNCOMPRESSED', encoding: 'PLAIN', statistics: false },
      { name: 'artist', data: rows.map((row) => BigInt(row.artist)) },
      { name: 'genre', data: rows.map((row) => BigInt(GENRE_NAMES.indexOf(row.genre))) },
      { name: 'style', data: rows.map((row) => BigInt(STYLE_NAMES.indexOf(row.style))) },
    ],
  });
  return writer.getBytes();
}

/** Two in flight: one is drawn in JavaScript while another is rasterized by libvips. */
async function inPairs<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const results = new Array<R>(items.length);
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < items.length) {
      const index = next++;
      results[index] = await work(items[index] as T);
    }
  };
  await Promise.all([worker(), worker()]);
  return results;
}

function pad(value: number): string {
  return String(value).padStart(5, '0');
}
