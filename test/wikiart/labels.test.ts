import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { CommitSha, RepoId } from '../../src/domain/refs.ts';
import type { Hub } from '../../src/hub/hub.ts';
import { labelsFromCard } from '../../src/wikiart/class-labels.ts';
import { openHubFile } from '../../src/wikiart/hub-file.ts';
import { openShard, readLabels, readPictures } from '../../src/wikiart/shard.ts';
import { ARTIST_NAMES, GENRE_NAMES, STYLE_NAMES } from '../../src/wikiart/synthetic/labels.ts';
import { type WikiArtRow, wikiArtParquet } from './parquet-in-test.ts';

/** 96 rows whose "pictures" are plain text of 20,000 bytes: text is what a careless reader would decode. */
const ROWS: WikiArtRow[] = Array.from({ length: 96 }, (_, at) => ({
  bytes: Buffer.from(`é${at}`.padEnd(20_000, 'x')),
  artist: ARTIST_NAMES[at % 5] as string,
  genre: 'landscape',
  style: at % 4 === 0 ? 'Impressionism' : 'Cubism',
}));

/** Opens bytes as a file of a Hub that serves nothing else. */
async function shardOf(content: Buffer) {
  const hub = {
    readRange: async (_repo, _revision, _path, start, end) => content.subarray(start, end),
  } as Partial<Hub> as Hub;
  const at = { type: 'dataset' as const, repo: RepoId.parse('a/b'), commit: CommitSha.parse('0'.repeat(40)) };
  const file = await openHubFile({ hub, at, path: 'data/train.parquet', bytes: content.length });
  return { file, shard: await openShard(file) };
}

describe('label pass', () => {
  it('reads labels by name and at most 2 % of the bytes', async () => {
    const content = wikiArtParquet(ROWS, { groupRows: 24 });
    const { file, shard } = await shardOf(content);
    const groups = await readLabels(shard, null);
    expect(groups.map((group) => group.firstRow)).toEqual([0, 24, 48, 72]);
    expect(groups.flatMap((group) => group.styles)).toEqual(ROWS.map((row) => row.style));
    expect(groups.flatMap((group) => group.artists)).toEqual(ROWS.map((row) => row.artist));
    expect(file.bytesRead()).toBeLessThan(content.length * 0.02);
  });

  it('reads the pictures of one row group byte for byte, no other group, and leaves no file behind', async () => {
    // Beyond 2 MB the reader asks for pictures and paths at once: their ranges must not be mixed up on the way.
    const rows = ROWS.map((row, at) => ({ ...row, bytes: Buffer.alloc(110_000, `é${at} `) }));
    const { file, shard } = await shardOf(wikiArtParquet(rows, { groupRows: 24 }));
    const before = file.bytesRead();
    const folder = await mkdtemp(join(tmpdir(), 'plein-air-pictures-'));
    const pictures = await readPictures(shard, { firstRow: 24, rows: 24 }, folder);
    expect(await readdir(folder)).toEqual([]);
    for (let row = 0; row < 24; row++)
      expect(rows[24 + row]?.bytes.equals((await pictures.at(row)) as Uint8Array)).toBe(true);
    expect(await pictures.at(24)).toBeNull();
    await pictures.close();
    await rm(folder, { recursive: true });
    expect(file.bytesRead() - before).toBeLessThan(24 * 110_000 * 1.01);
  });

  it('takes class names from the dataset card where the file has none', async () => {
    const names = (list: readonly string[]) =>
      list.map((name, at) => `          '${at}': ${name}`).join('\n');
    const feature = (name: string, list: readonly string[]) =>
      `  - name: ${name}\n    dtype:\n      class_label:\n        names:\n${names(list)}`;
    const card = `---\ndataset_info:\n  features:\n  - name: image\n    dtype: image\n${feature('artist', ARTIST_NAMES)}\n${feature('genre', GENRE_NAMES)}\n${feature('style', STYLE_NAMES)}\n---\n# A card\n`;
    const { shard } = await shardOf(wikiArtParquet(ROWS, { groupRows: 24, names: false }));
    const groups = await readLabels(shard, labelsFromCard(card));
    expect(groups[0]?.styles.slice(0, 2)).toEqual(['Impressionism', 'Cubism']);
  });

  it('says what is missing when no names are known', async () => {
    const { shard } = await shardOf(wikiArtParquet(ROWS, { groupRows: 24, names: false }));
    await expect(readLabels(shard, null)).rejects.toThrow(
      "Expected class names for artist, got none in the file's metadata or the dataset card (data/train.parquet:0)",
    );
  });

  it('says that a file is no parquet file', async () => {
    await expect(shardOf(Buffer.alloc(5000, 7))).rejects.toThrow(
      /Expected a parquet file, got one whose footer/,
    );
  });
});
