import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { connectHub } from '../../src/hub/client.ts';
import type { Hub } from '../../src/hub/hub.ts';
import { importSource } from '../../src/wikiart/import-source.ts';
import { openSource, passLabels } from '../../src/wikiart/label-pass.ts';
import { soundRow } from '../activities/source-in-test.ts';
import { type HubInTest, startHubInTest, TOKEN } from '../local-hub/hub-in-test.ts';
import { wikiArtParquet } from './parquet-in-test.ts';

let server: HubInTest;
let hub: Hub;
let folder: string;

beforeAll(async () => {
  server = await startHubInTest();
  hub = connectHub({ endpoint: server.url, accessToken: TOKEN });
  folder = await mkdtemp(join(tmpdir(), 'plein-air-import-test-'));
});
afterAll(async () => {
  await server.stop();
  await rm(folder, { recursive: true, force: true });
});

async function pictures(name: string, paths: string[]): Promise<string> {
  const at = join(folder, name);
  for (const [i, path] of paths.entries()) {
    await mkdir(join(at, path, '..'), { recursive: true });
    await writeFile(join(at, path), (await soundRow(i, 'Impressionism')).bytes as Uint8Array);
  }
  return at;
}

async function labelsOf(repo: Awaited<ReturnType<typeof importSource>>['repo']) {
  const commit = await hub.resolve({ type: 'dataset', repo });
  const source = await openSource(hub, { type: 'dataset', repo, commit: commit as never });
  const labels = [];
  for (const entry of source.files)
    for (const { artists, genres, styles } of (await passLabels(hub, source, entry)).groups)
      labels.push({ artists, genres, styles });
  return labels;
}

describe('a local source', () => {
  it('is an image folder with metadata.csv, whose labels come with the pictures', async () => {
    const at = await pictures('csv', ['a.jpg', 'b.jpg']);
    await writeFile(
      join(at, 'metadata.csv'),
      'file_name,style,artist\na.jpg,Impressionism,"Morisot, Berthe"\nb.jpg,Cubism,\n',
    );
    const imported = await importSource({ hub, folder: at, namespace: 'plein-air' });
    expect(imported).toMatchObject({ pictures: 2, cached: false });
    expect(await labelsOf(imported.repo)).toEqual([
      { artists: ['Morisot, Berthe', ''], genres: ['', ''], styles: ['Impressionism', 'Cubism'] },
    ]);
    expect(await importSource({ hub, folder: at, namespace: 'plein-air' })).toEqual({
      ...imported,
      cached: true,
    });
  });

  it('is an image folder whose folders are named after styles', async () => {
    const at = await pictures('styles', ['Cubism/a.jpg', 'Impressionism/b.jpg']);
    const { repo } = await importSource({ hub, folder: at, namespace: 'plein-air' });
    expect((await labelsOf(repo))[0]?.styles).toEqual(['Cubism', 'Impressionism']);
  });

  it('is a folder of parquet files with WikiArt’s schema', async () => {
    const at = join(folder, 'parquet');
    await mkdir(at);
    await writeFile(
      join(at, 'one.parquet'),
      wikiArtParquet([await soundRow(1, 'Impressionism')], { groupRows: 4 }),
    );
    const { repo, pictures: count } = await importSource({ hub, folder: at, namespace: 'plein-air' });
    expect(count).toBe(1);
    expect((await labelsOf(repo))[0]?.styles).toEqual(['Impressionism']);
  });

  it('is refused with every problem of its metadata at once', async () => {
    const at = await pictures('wrong', ['a.jpg', 'b.jpg']);
    await writeFile(
      join(at, 'metadata.jsonl'),
      '{"file_name":"a.jpg"}\n{"file_name":"gone.jpg","style":"Cubism"}\n',
    );
    await expect(importSource({ hub, folder: at, namespace: 'plein-air' })).rejects.toThrow(
      /row 1: expected a style[\s\S]*row 2: expected a picture at gone.jpg[\s\S]*got 1 that are not, such as b.jpg/,
    );
  });
});
