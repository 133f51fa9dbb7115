import type { FileMetaData } from 'hyparquet';
import { inParquetProcess, type ParquetFile, type ParquetTask } from '../../src/wikiart/parquet-process.ts';
import { wikiArtParquet } from './parquet-in-test.ts';

/** A parquet file with a page of eight values that claims one run of two thousand million, and the task that meets it. */
export async function endlessRun(): Promise<{ file: ParquetFile; task: ParquetTask }> {
  const row = {
    bytes: new Uint8Array(40).fill(1),
    artist: 'Unknown Artist',
    genre: 'landscape',
    style: 'Cubism',
  };
  const damaged = wikiArtParquet(
    Array.from({ length: 8 }, () => row),
    { groupRows: 8 },
  );
  const header = damaged.indexOf(Buffer.from([0x15, 4, 0x15, 0, 0, 0, 16, 2]));
  if (header < 0) throw new Error('expected the page header of eight values');
  Buffer.from([0x15, 12, 0x15, 0, 0, 0, 0xfe, 0xff, 0xff, 0xff, 0x0f, 2]).copy(damaged, header);
  const file = {
    byteLength: damaged.length,
    slice: async (start: number, end = damaged.length) =>
      damaged.buffer.slice(damaged.byteOffset + start, damaged.byteOffset + end) as ArrayBuffer,
  };
  const metadata = await inParquetProcess<FileMetaData>(file, { kind: 'metadata', initialFetchSize: 1024 });
  return { file, task: { kind: 'rows', metadata, columns: ['image'], rowStart: 0, rowEnd: 8 } };
}
