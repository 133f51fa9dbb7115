import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  checkRepoAccess,
  commit,
  countCommits,
  createBranch,
  createRepo,
  datasetInfo,
  deleteBranch,
  deleteFile,
  deleteFiles,
  deleteRepo,
  downloadFile,
  downloadFileToCacheDir,
  fileDownloadInfo,
  fileExists,
  listCommits,
  listDatasets,
  listFiles,
  listModels,
  listSpaces,
  modelInfo,
  pathsInfo,
  repoExists,
  snapshotDownload,
  spaceInfo,
  uploadFile,
  uploadFiles,
  uploadFilesWithProgress,
  whoAmI,
} from '@huggingface/hub';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { type HubInTest, startHubInTest, TOKEN } from '../local-hub/hub-in-test.ts';

let hub: HubInTest;
const repo = 'painter/sky';
const options = () => ({ hubUrl: hub.url, accessToken: TOKEN, repo });
const bytes = (size: number, seed = 1): Uint8Array<ArrayBuffer> => {
  const out = new Uint8Array(size);
  for (let index = 0, state = seed; index < size; index += 1) {
    state = (state * 1103515245 + 12345) >>> 0;
    out[index] = state >>> 16;
  }
  return out;
};
const collect = async <T>(items: AsyncIterable<T>): Promise<T[]> => {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
};
const names = async (revision = 'main'): Promise<string[]> => {
  const paths: string[] = [];
  for await (const file of listFiles({ ...options(), revision, recursive: true }))
    if (file.type === 'file') paths.push(file.path);
  return paths;
};

beforeAll(async () => {
  hub = await startHubInTest();
  await createRepo({ ...options() });
});
afterAll(async () => hub.stop());

describe('@huggingface/hub against the local Hub', () => {
  it('says who a token belongs to', async () => {
    const me = await whoAmI({ hubUrl: hub.url, accessToken: TOKEN });
    expect(me.name).toBe('plein-air');
    expect(me.auth.accessToken?.role).toBe('write');
  });

  it('refuses a second repo of the same name', async () => {
    await expect(createRepo({ ...options() })).rejects.toMatchObject({ statusCode: 409 });
  });

  it('uploads a small file inside the commit and reads it back', async () => {
    await uploadFile({ ...options(), file: { path: 'notes/a.txt', content: new Blob(['wet paint']) } });
    const back = await downloadFile({ ...options(), path: 'notes/a.txt' });
    expect(await back?.text()).toBe('wet paint');
  });

  it('uploads a large file beside the commit and reads a part of it', async () => {
    const content = bytes(3_000_000);
    await uploadFile({ ...options(), file: { path: 'weights.safetensors', content: new Blob([content]) } });
    const back = await downloadFile({ ...options(), path: 'weights.safetensors' });
    expect(Buffer.from((await back?.arrayBuffer()) ?? new ArrayBuffer(0)).equals(content)).toBe(true);
    const part = await back?.slice(1_000_000, 1_000_010).arrayBuffer();
    expect(new Uint8Array(part ?? new ArrayBuffer(0))).toEqual(content.slice(1_000_000, 1_000_010));
  });

  it('uploads a file of several parts', async () => {
    const content = new Uint8Array(70 * 1024 * 1024).fill(7);
    await uploadFile({ ...options(), file: { path: 'big.bin', content: new Blob([content]) } });
    const info = await fileDownloadInfo({ ...options(), path: 'big.bin' });
    expect(info?.size).toBe(content.length);
  });

  it('lists, finds and describes files', async () => {
    expect(await names()).toEqual(['.gitattributes', 'big.bin', 'notes/a.txt', 'weights.safetensors']);
    expect(await fileExists({ ...options(), path: 'notes/a.txt' })).toBe(true);
    expect(await fileExists({ ...options(), path: 'notes/b.txt' })).toBe(false);
    const [info] = await pathsInfo({ ...options(), paths: ['weights.safetensors', 'nothing'], expand: true });
    expect(info).toMatchObject({ path: 'weights.safetensors', type: 'file', size: 3_000_000 });
    expect(info?.lfs?.size).toBe(3_000_000);
    expect(info?.lastCommit.title).toContain('weights.safetensors');
  });

  it('refuses a commit whose parent is no longer the head', async () => {
    const [head] = await collect(listCommits({ ...options() }));
    const operations = [{ operation: 'addOrUpdate' as const, path: 'cas.txt', content: new Blob(['1']) }];
    const first = await commit({
      ...options(),
      title: 'first',
      operations,
      parentCommit: head?.oid as string,
    });
    expect(first?.commit.oid).toMatch(/^[0-9a-f]{40}$/);
    const second = commit({ ...options(), title: 'second', operations, parentCommit: head?.oid as string });
    await expect(second).rejects.toMatchObject({ statusCode: 412 });
  });

  it('lets two concurrent commits both land', async () => {
    const add = (path: string) => uploadFile({ ...options(), file: { path, content: new Blob([path]) } });
    await Promise.all([add('both/1'), add('both/2'), add('both/3')]);
    expect((await names()).filter((path) => path.startsWith('both/'))).toEqual([
      'both/1',
      'both/2',
      'both/3',
    ]);
  });

  it('uploads several files in one commit and deletes them in one', async () => {
    const before = await countCommits({ ...options() });
    const files = ['x/1.txt', 'x/2.txt', 'x/3.bin'].map((path) => ({ path, content: new Blob([path]) }));
    await uploadFiles({ ...options(), files });
    await deleteFiles({ ...options(), paths: ['x/1.txt', 'x/2.txt'] });
    await deleteFile({ ...options(), path: 'x/3.bin' });
    expect((await names()).some((path) => path.startsWith('x/'))).toBe(false);
    expect(await countCommits({ ...options() })).toBe(before + 3);
  });

  it('keeps a branch apart from main', async () => {
    await createBranch({ ...options(), branch: 'trial', revision: 'main' });
    await uploadFile({
      ...options(),
      branch: 'trial',
      file: { path: 'only-here.txt', content: new Blob(['t']) },
    });
    expect(await names('trial')).toContain('only-here.txt');
    expect(await names()).not.toContain('only-here.txt');
    await expect(createBranch({ ...options(), branch: 'trial' })).rejects.toMatchObject({ statusCode: 409 });
    await deleteBranch({ ...options(), branch: 'trial' });
    await expect(names('trial')).rejects.toMatchObject({ statusCode: 404 });
  });

  it('describes and lists models', async () => {
    const card =
      '---\nlicense: other\ntags: [flux, lora]\nlibrary_name: diffusers\npipeline_tag: text-to-image\n---\n# Sky\n';
    await uploadFile({ ...options(), file: { path: 'README.md', content: new Blob([card]) } });
    const info = await modelInfo({
      hubUrl: hub.url,
      accessToken: TOKEN,
      name: repo,
      additionalFields: ['tags', 'sha'],
    });
    expect(info.task).toBe('text-to-image');
    expect(info.tags).toContain('flux');
    const owned = await collect(listModels({ hubUrl: hub.url, search: { owner: 'painter' } }));
    expect(owned.map(({ name }) => name)).toEqual([repo]);
  });

  it('lists and describes datasets and Spaces', async () => {
    const dataset = { type: 'dataset' as const, name: 'painter/skies' };
    const space = { type: 'space' as const, name: 'painter/studio' };
    await createRepo({ ...options(), repo: dataset });
    await createRepo({ ...options(), repo: space, sdk: 'gradio' });
    const mine = { hubUrl: hub.url, accessToken: TOKEN };
    const owned = { ...mine, search: { owner: 'painter' } };
    expect((await collect(listDatasets(owned))).map(({ name }) => name)).toEqual([dataset.name]);
    expect((await collect(listSpaces(owned))).map(({ name, sdk }) => [name, sdk])).toEqual([
      [space.name, 'gradio'],
    ]);
    expect((await datasetInfo({ ...mine, name: dataset.name })).private).toBe(false);
    expect(
      (await spaceInfo({ ...mine, name: space.name, additionalFields: ['runtime'] })).runtime?.stage,
    ).toBe('STOPPED');
  });

  it('hides private repos from those without a token, and says so with a typed error', async () => {
    const hidden = { hubUrl: hub.url, repo: 'painter/hidden' };
    await createRepo({ ...hidden, accessToken: TOKEN, private: true });
    await checkRepoAccess({ ...hidden, accessToken: TOKEN });
    await expect(checkRepoAccess(hidden)).rejects.toMatchObject({ statusCode: 401 });
    expect(await repoExists({ ...hidden, repo: 'painter/nothing' })).toBe(false);
  });

  it('reports progress while it uploads and hashes', async () => {
    const seen: string[] = [];
    const files = [{ path: 'progress/a.bin', content: new Blob([bytes(1_200_000, 9)]) }];
    for await (const step of uploadFilesWithProgress({ ...options(), files })) seen.push(step.event);
    expect(seen).toContain('phase');
    expect(await fileExists({ ...options(), path: 'progress/a.bin' })).toBe(true);
  });

  it('downloads a snapshot into a cache and finds it there again', async () => {
    const cacheDir = await mkdtemp(join(tmpdir(), 'plein-air-js-cache-'));
    const quiet = jest.spyOn(console, 'debug').mockImplementation(() => undefined);
    try {
      const folder = await snapshotDownload({ ...options(), cacheDir });
      expect(await readFile(join(folder, 'notes', 'a.txt'), 'utf8')).toBe('wet paint');
      const path = await downloadFileToCacheDir({ ...options(), path: 'weights.safetensors', cacheDir });
      expect((await readFile(path)).equals(bytes(3_000_000))).toBe(true);
    } finally {
      quiet.mockRestore();
      await rm(cacheDir, { recursive: true, force: true });
    }
  });

  it('reads an empty file', async () => {
    await uploadFile({ ...options(), file: { path: 'empty.txt', content: new Blob([]) } });
    expect((await fileDownloadInfo({ ...options(), path: 'empty.txt' }))?.size).toBe(0);
  });

  it('knows what exists, and forgets what was deleted', async () => {
    const other = { ...options(), repo: { type: 'dataset' as const, name: 'painter/gone' } };
    await createRepo(other);
    expect(await repoExists(other)).toBe(true);
    await deleteRepo(other);
    expect(await repoExists(other)).toBe(false);
  });
});
