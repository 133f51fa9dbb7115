import { expect, it } from '@jest/globals';
import { inParquetThread } from '../../src/wikiart/parquet-thread.ts';
import { wikiArtParquet } from './parquet-in-test.ts';

const row = {
  bytes: new Uint8Array([1, 2, 3]),
  artist: 'Unknown Artist',
  genre: 'landscape',
  style: 'Cubism',
};
const bytes = wikiArtParquet([row, row], { groupRows: 2 });
const fileOf = (slice: (start: number, end: number) => Promise<ArrayBuffer>) => ({
  byteLength: bytes.length,
  slice: (start: number, end = bytes.length) => slice(start, end),
});
const whole = async (start: number, end: number) =>
  bytes.buffer.slice(bytes.byteOffset + start, bytes.byteOffset + end) as ArrayBuffer;
const metadata = { kind: 'metadata', initialFetchSize: 1024 } as const;

it('gives a decoder up that comes to no end, and goes on with the next file', async () => {
  await expect(inParquetThread(fileOf(whole), metadata, { patienceMs: 0 })).rejects.toThrow(
    'no end after 0 s of decoding',
  );
  await expect(inParquetThread(fileOf(whole), metadata)).resolves.toMatchObject({ num_rows: 2n });
});

it('throws what reading the file throws', async () => {
  const failing = fileOf(async () => {
    throw new RangeError('the line is down');
  });
  await expect(inParquetThread(failing, metadata)).rejects.toThrow(RangeError);
});
