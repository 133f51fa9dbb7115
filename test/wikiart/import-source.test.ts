import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type { RepoId } from '../../src/domain/refs.ts';
import { connectHub } from '../../src/hub/client.ts';
import type { Hub } from '../../src/hub/hub.ts';
import { lookAtFolder, uploadFolder } from '../../src/wikiart/import-source.ts';
import { openSource, passLabels, sourceContent } from '../../src/wikiart/label-pass.ts';
import { soundRow } from '../activities/source-in-test.ts';
import { type HubInTest, startHubInTest, TOKEN } from '../local-hub/hub-in-test.ts';
import { type Files, Folders, jpegs } from './folder/folder-fixture.ts';
import { wikiArtParquet } from './parquet-in-test.ts';

let server: HubInTest;
let hub: Hub;
const folders = new Folders();

beforeAll(async () => {
  server = await startHubInTest();
  hub = connectHub({ endpoint: server.url, accessToken: TOKEN });
});
afterAll(() => server.stop());
afterEach(() => folders.remove());

async function bring(files: Files, options: { style?: string } = {}, to = hub) {
  const source = await lookAtFolder(await folders.make(files), options);
  return uploadFolder({ hub: to, source, namespace: 'plein-air' });
}

async function headOf(repo: RepoId, at = hub) {
  const commit = await at.resolve({ type: 'dataset', repo });
  if (commit === null) throw new Error(`expected ${repo}, got none`);
  return { type: 'dataset', repo, commit } as const;
}

async function labelsOf(repo: RepoId) {
  const source = await openSource(hub, await headOf(repo));
  const labels = [];
  for (const entry of source.files)
    for (const { artists, styles, captions, files } of (await passLabels(hub, source, entry)).groups)
      labels.push({ artists, styles, captions, files });
  return labels;
}

describe('a folder on the Hub', () => {
  it('holds pictures with their labels, captions and names, once', async () => {
    const files = {
      ...(await jpegs(2)),
      'metadata.csv': 'file_name,style,artist\n0.jpg,Impressionism,"Morisot, Berthe"\n1.jpg,Cubism,\n',
      '0.txt': 'a garden',
    };
    const imported = await bring(files);
    expect(imported).toMatchObject({ pictures: 1, cached: false });
    expect(await labelsOf(imported.repo)).toEqual([
      {
        artists: ['Morisot, Berthe', ''],
        styles: ['Impressionism', 'Cubism'],
        captions: ['a garden', ''],
        files: ['0.jpg', '1.jpg'],
      },
    ]);
    expect(await bring(files)).toEqual({ ...imported, cached: true });
  });

  it('is another one when a caption changes', async () => {
    const files = { ...(await jpegs(1)), '0.txt': 'a garden' };
    expect((await bring(files)).repo).not.toBe((await bring({ ...files, '0.txt': 'a park' })).repo);
  });

  it('holds the same on every Hub, whatever its commit is called', async () => {
    const other = await startHubInTest();
    try {
      const there = connectHub({ endpoint: other.url, accessToken: TOKEN });
      const files = await jpegs(3);
      const [here, elsewhere] = [
        await bring(files, { style: 'dots' }),
        await bring(files, { style: 'dots' }, there),
      ];
      expect(elsewhere.repo).toBe(here.repo);
      const content = await sourceContent(hub, await headOf(here.repo));
      expect(content).not.toBeNull();
      expect(await sourceContent(there, await headOf(elsewhere.repo, there))).toBe(content);
    } finally {
      await other.stop();
    }
  });

  it('is a folder of parquet files as they are', async () => {
    const row = await soundRow(1, 'Impressionism');
    const imported = await bring({ 'one.parquet': wikiArtParquet([row], { groupRows: 4 }) });
    expect(imported.pictures).toBe(1);
    expect((await labelsOf(imported.repo))[0]?.styles).toEqual(['Impressionism']);
  });

  it('is refused with everything that contradicts itself at once, and nothing is uploaded', async () => {
    const files = { ...(await jpegs(2)), 'metadata.jsonl': '{"file_name":"gone.jpg"}\n{"name":"x"}\n' };
    await expect(bring(files)).rejects.toThrow(
      /cannot be used as it is:\nmetadata.jsonl line 1: expected a picture at gone.jpg[\s\S]*line 2: expected file_name, got name/,
    );
  });

  it.each([
    ['changes', (folder: string) => writeFile(join(folder, '1.jpg'), 'other bytes')],
    ['vanishes', (folder: string) => rm(join(folder, '1.jpg'))],
  ])('is refused when a picture %s while it is read', async (_, change) => {
    const folder = await folders.make(await jpegs(3));
    const source = await lookAtFolder(folder, { style: 'moving' });
    const busy = new Proxy(hub, {
      get: (target, name) =>
        name === 'resolve'
          ? async (...all: Parameters<Hub['resolve']>) => {
              await change(folder);
              return target.resolve(...all);
            }
          : Reflect.get(target, name),
    });
    await expect(uploadFolder({ hub: busy, source, namespace: 'plein-air' })).rejects.toThrow(
      /expected 1\.jpg to stay as it is while it is read/,
    );
  });

  it('is refused when a parquet file changes while it is read, and leaves nothing that has its name', async () => {
    const parquet = async (seed: number) =>
      wikiArtParquet([await soundRow(seed, 'Impressionism')], { groupRows: 4 });
    const folder = await folders.make({ 'one.parquet': await parquet(21) });
    const source = await lookAtFolder(folder);
    const named: RepoId[] = [];
    const busy = new Proxy(hub, {
      get: (target, name) =>
        name === 'resolve'
          ? async (...all: Parameters<Hub['resolve']>) => {
              named.push(all[0].repo);
              await writeFile(join(folder, 'one.parquet'), await parquet(22));
              return target.resolve(...all);
            }
          : Reflect.get(target, name),
    });
    await expect(uploadFolder({ hub: busy, source, namespace: 'plein-air' })).rejects.toThrow(
      /expected one\.parquet to stay as it is while it is read/,
    );
    await writeFile(join(folder, 'one.parquet'), await parquet(21));
    const again = await uploadFolder({ hub, source, namespace: 'plein-air' });
    expect(again).toMatchObject({ repo: named[0], cached: false });
  });
});
