import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { mkdir, readdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { createBranch, createRepo, listFiles, uploadFile } from '@huggingface/hub';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { execa } from 'execa';
import { fsck } from '../../src/local-hub/fsck.ts';
import { Mutex } from '../../src/local-hub/store/mutex.ts';
import { type HubInTest, startHubInTest, TOKEN } from './hub-in-test.ts';

const PYTHON = resolve('gpu-worker/.venv/bin/python');
let hub: HubInTest;
const call = (
  method: string,
  path: string,
  body?: unknown,
  token: string | null = TOKEN,
): Promise<Response> =>
  fetch(`${hub.url}${path}`, {
    method,
    headers: {
      ...(token === null ? {} : { authorization: `Bearer ${token}` }),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
const create = (name: string, more: object = {}): Promise<Response> =>
  call('POST', '/api/repos/create', { name, ...more });

beforeAll(async () => {
  hub = await startHubInTest();
});
afterAll(() => hub.stop());

describe('a request', () => {
  it('has no field that is accepted and dropped', () => {
    const folder = 'src/local-hub/api';
    const dropped = readdirSync(folder).flatMap((file) => {
      const source = readFileSync(join(folder, file), 'utf8');
      const schemas = source.match(/z\s*\.object\(\{[\s\S]*?\n?\s*\}\)/g) ?? [];
      const keys = schemas.flatMap((schema) =>
        [
          ...schema.matchAll(/^\s*(?:z\.object\(\{ )?(\w+): (?!z\.literal)/gm),
          ...schema.matchAll(/[{,] (\w+): z\.(?!literal)/g),
        ].map((m) => m[1] ?? ''),
      );
      const rest = schemas.reduce((text, schema) => text.replace(schema, ''), source);
      return [...new Set(keys)]
        .filter((key) => !new RegExp(`\\b${key}\\b`).test(rest))
        .map((key) => `${file}: ${key}`);
    });
    expect(dropped).toEqual([]);
  });

  it('to create a repo stores the files and the license that it brings', async () => {
    const files = [{ path: 'a/b.txt', content: Buffer.from('hi').toString('base64'), encoding: 'base64' }];
    expect((await create('with-files', { license: 'apache-2.0', files })).status).toBe(200);
    expect(await (await fetch(`${hub.url}/plein-air/with-files/resolve/main/a/b.txt`)).text()).toBe('hi');
    const info = (await (await call('GET', '/api/models/plein-air/with-files')).json()) as { tags: string[] };
    expect(info.tags).toContain('license:apache-2.0');
    expect((await create('bad', { files: [{ path: '../x', content: '' }] })).status).toBe(400);
    expect((await create('bad', { license: 'nonsense' })).status).toBe(400);
    expect((await call('GET', '/api/models/plein-air/bad')).status).toBe(404);
  });

  it.each(['private', 'protected'])('for a %s repo hides it from who has no token', async (visibility) => {
    await create(`new-${visibility}`, { visibility });
    await create(`later-${visibility}`);
    await call('PUT', `/api/models/plein-air/later-${visibility}/settings`, { visibility });
    for (const name of [`new-${visibility}`, `later-${visibility}`])
      expect((await call('GET', `/api/models/plein-air/${name}`, undefined, null)).status).toBe(401);
    const both = await call('PUT', `/api/models/plein-air/later-${visibility}/settings`, {
      private: false,
      visibility,
    });
    expect(await both.json()).toMatchObject({ private: true });
  });

  it('for a tag keeps its message, and takes a short hash', async () => {
    await create('tagged');
    const { sha } = (await (await call('GET', '/api/models/plein-air/tagged')).json()) as { sha: string };
    const tag = (name: string, revision: string, message: string | null) =>
      call('POST', `/api/models/plein-air/tagged/tag/${revision}`, { tag: name, message });
    expect((await tag('v1', sha.slice(0, 8), 'the first')).status).toBe(201);
    expect((await tag('v2', 'abcdef0', null)).status).toBe(404);
    const { tags } = (await (await call('GET', '/api/models/plein-air/tagged/refs')).json()) as {
      tags: object[];
    };
    expect(tags).toEqual([{ name: 'v1', ref: 'refs/tags/v1', targetCommit: sha, message: 'the first' }]);
  });
});

describe('a name', () => {
  it('is one whatever the case of its letters', async () => {
    await create('CaSe');
    expect(await (await call('GET', '/api/models/Plein-Air/case')).json()).toMatchObject({
      id: 'plein-air/CaSe',
    });
    expect((await create('cASe')).status).toBe(409);
    expect((await create('Plein-AIR/other')).status).toBe(200);
    expect(await readdir(join(hub.root, 'repos', 'models'))).toEqual(['plein-air']);
  });

  it('without a namespace is a repo that is not there', async () => {
    for (const path of ['/bare/resolve/main/x', '/datasets/bare/resolve/main/x', '/api/models/bare']) {
      const answer = await call('GET', path);
      expect([path, answer.status, answer.headers.get('x-error-code')]).toEqual([path, 404, 'RepoNotFound']);
    }
  });

  it('of a branch may hold slashes, in addresses and in the official client', async () => {
    const options = { hubUrl: hub.url, accessToken: TOKEN, repo: 'plein-air/slashes' };
    await createRepo(options);
    await createBranch({ ...options, branch: 'runs/r1' });
    await uploadFile({ ...options, branch: 'runs/r1', file: { path: 'x/a.txt', content: new Blob(['a']) } });
    const names: string[] = [];
    for await (const { path } of listFiles({ ...options, revision: 'runs/r1', path: 'x' })) names.push(path);
    expect(names).toEqual(['x/a.txt']);
    for (const path of [
      'resolve/runs/r1/x/a.txt',
      'resolve/runs%2Fr1/x/a.txt',
      'resolve/refs/heads/runs/r1/x/a.txt',
    ])
      expect((await fetch(`${hub.url}/plein-air/slashes/${path}`)).status).toBe(200);
  });
});

describe('the queue of a repo', () => {
  it('knows how long one that comes now will wait', async () => {
    const mutex = new Mutex();
    const slow = (): Promise<void> => new Promise((done) => setTimeout(done, 20));
    for (let n = 0; n < 20; n += 1) await mutex.run(slow);
    expect(mutex.expectedWaitMs).toBe(0);
    const all = Array.from({ length: 50 }, () => mutex.run(slow));
    expect(mutex.expectedWaitMs).toBeGreaterThan(500);
    await Promise.all(all);
  });
});

describe('an upload', () => {
  it('of every kind leaves nothing in tmp', async () => {
    const options = { hubUrl: hub.url, accessToken: TOKEN, repo: 'plein-air/uploads' };
    await createRepo(options);
    const large = (byte: number, megabytes: number) => new Blob([new Uint8Array(megabytes << 20).fill(byte)]);
    await uploadFile({ ...options, file: { path: 'small.txt', content: new Blob(['a']) }, useXet: false });
    await uploadFile({ ...options, file: { path: 'basic.bin', content: large(1, 3) }, useXet: false });
    await uploadFile({ ...options, file: { path: 'multipart.bin', content: large(2, 70) }, useXet: false });
    const script = `import os
from huggingface_hub import HfApi
api = HfApi()
for n in range(2):
    api.upload_file(path_or_fileobj=os.urandom(3_000_000), path_in_repo=f"xet{n}.bin", repo_id="plein-air/uploads")
os.makedirs("f", exist_ok=True)
for n in range(3):
    open(f"f/{n}.bin", "wb").write(os.urandom(1_500_000))
api.upload_folder(folder_path="f", repo_id="plein-air/uploads")`;
    const env = { HF_ENDPOINT: hub.url, HF_TOKEN: TOKEN, HF_HOME: join(hub.root, 'hf') };
    await execa(PYTHON, ['-c', script], { env, cwd: hub.root });
    expect(await readdir(join(hub.root, 'tmp'))).toEqual([]);
    expect((await fsck(hub.root)).problems).toEqual([]);
  }, 120_000);

  it('of Xet that declares more than it sends, or than fits, is refused before it is written', async () => {
    const grant = await (await call('GET', '/api/models/plein-air/uploads/xet-write-token/main')).json();
    const { casUrl, accessToken } = grant as { casUrl: string; accessToken: string };
    const sent = (path: string, body: Uint8Array) =>
      fetch(`${casUrl}/v1/${path}`, {
        method: 'POST',
        body: new Uint8Array(body),
        headers: { authorization: `Bearer ${accessToken}` },
      });
    // One chunk of five bytes, stored as they are.
    const xorb = Buffer.from([0, 5, 0, 0, 0, 5, 0, 0, ...Buffer.from('hello')]);
    const hash = '1'.repeat(64);
    expect((await sent(`xorbs/default/${hash}`, xorb)).status).toBe(200);
    const shard = (bytes: number, chunks: number, copies: number): Buffer => {
      const record = () => Buffer.alloc(48);
      const file = record();
      file.writeUInt32LE(0x40000000, 32);
      file.writeUInt32LE(copies, 36);
      const segment = record();
      Buffer.from(hash, 'hex').copy(segment);
      segment.writeUInt32LE(bytes, 36);
      segment.writeUInt32LE(chunks, 44);
      return Buffer.concat([
        record(),
        file,
        ...new Array(copies).fill(segment),
        record(),
        Buffer.alloc(48, 0xff),
      ]);
    };
    expect((await sent('shards', shard(4, 1, 1))).status).toBe(400);
    expect((await sent('shards', shard(6, 1, 1))).status).toBe(400);
    expect((await sent('shards', shard(0xffffffff, 1, 20_000))).status).toBe(507);
    const left = (await readdir(join(hub.root, 'tmp'))).filter((name) => !name.startsWith('xet-'));
    expect(left).toEqual([]);
  });
});

describe('a large file that was deleted for good', () => {
  it('is given out by no batch of its repo, although another repo holds its bytes', async () => {
    const content = new Uint8Array(1_200_000).fill(9);
    const oid = createHash('sha256').update(content).digest('hex');
    for (const name of ['deleting', 'keeping']) {
      const options = { hubUrl: hub.url, accessToken: TOKEN, repo: `plein-air/${name}` };
      await createRepo(options);
      await uploadFile({ ...options, file: { path: 'a.bin', content: new Blob([content]) }, useXet: false });
    }
    const download = async (name: string): Promise<unknown> => {
      const body = { operation: 'download', transfers: ['basic'], objects: [{ oid, size: content.length }] };
      const answer = await call('POST', `/plein-air/${name}.git/info/lfs/objects/batch`, body);
      return ((await answer.json()) as { objects: unknown[] }).objects[0];
    };
    expect(await download('deleting')).toHaveProperty('actions.download');
    const deletions = { sha: [oid], rewriteHistory: false };
    await call('POST', '/api/models/plein-air/deleting/lfs-files/batch', { deletions });
    expect(await download('deleting')).toMatchObject({ error: { code: 404 } });
    expect(await download('keeping')).toHaveProperty('actions.download');
  });
});

describe('a commit whose journal cannot be written', () => {
  it('is refused, and the branch stays', async () => {
    const options = { hubUrl: hub.url, accessToken: TOKEN, repo: 'plein-air/journal' };
    await createRepo(options);
    const head = async (): Promise<string> =>
      ((await (await call('GET', '/api/models/plein-air/journal')).json()) as { sha: string }).sha;
    const before = await head();
    // A folder where the journal would be: nothing can be appended to it.
    await mkdir(join(hub.root, 'repos', 'models', 'plein-air', 'journal', 'lfs.jsonl'));
    const content = new Blob([new Uint8Array(1_300_000).fill(4)]);
    const upload = uploadFile({ ...options, file: { path: 'a.bin', content }, useXet: false });
    await expect(upload).rejects.toThrow(/500|Internal/);
    expect(await head()).toBe(before);
    expect((await fsck(hub.root)).problems).toEqual([]);
  });
});
