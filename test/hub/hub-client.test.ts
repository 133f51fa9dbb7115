import { randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { z } from 'zod';
import { type CommitSha, FileRef, RepoId, type RepoRef } from '../../src/domain/refs.ts';
import { connectHub } from '../../src/hub/client.ts';
import { HubConflict } from '../../src/hub/errors.ts';
import { sha256Of } from '../../src/hub/hashing.ts';
import type { Hub } from '../../src/hub/hub.ts';
import { readVerified } from '../../src/hub/verified-json.ts';
import { startLocalHub } from '../../src/local-hub/server.ts';

const TOKEN = 'hf_local_plein_air';
const QUICK = { firstDelayMs: 1, longestDelayMs: 5, longestRateLimitMs: 20 };

let root: string;
let server: Awaited<ReturnType<typeof startLocalHub>>;
let hub: Hub;
let repo: RepoRef;
let number = 0;

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'hub-client-'));
  server = await startLocalHub({ root: join(root, 'hub') });
  hub = connectHub({ endpoint: server.url, accessToken: TOKEN, patience: QUICK });
});
afterAll(async () => {
  await server.close();
  await rm(root, { recursive: true, force: true });
});
beforeEach(async () => {
  number += 1;
  repo = { type: 'model', repo: RepoId.parse(`plein-air/repo-${number}`) };
  await hub.ensureRepo(repo);
});

/** A client whose requests pass through `meddle`, which may answer instead of the server. */
function meddling(
  meddle: (url: string, init: RequestInit, pass: () => Promise<Response>) => Promise<Response>,
): Hub {
  const wrapped: typeof fetch = (input, init = {}) => meddle(String(input), init, () => fetch(input, init));
  return connectHub({ endpoint: server.url, accessToken: TOKEN, fetch: wrapped, patience: QUICK });
}

describe('commits', () => {
  it('land small and large files in one commit that lists their sizes and sha256', async () => {
    const large = randomBytes(1_500_000);
    await writeFile(join(root, 'large.safetensors'), large);
    const commit = await hub.commit({
      repo,
      message: 'Both',
      files: [
        { path: 'a/small.txt', content: 'hello' },
        { path: 'b/large.safetensors', content: { file: join(root, 'large.safetensors') } },
      ],
    });
    expect(await hub.resolve(repo)).toBe(commit);
    expect(await hub.list(repo, commit, 'b')).toEqual([
      { path: 'b/large.safetensors', bytes: large.length, sha256: sha256Of(large) },
    ]);
    expect((await hub.read(repo, commit, 'a/small.txt'))?.toString()).toBe('hello');
  });

  it('return the head when nothing would change', async () => {
    const files = [{ path: 'x.json', content: '{}' }];
    const first = await hub.commit({ repo, message: 'One', files });
    expect(await hub.commit({ repo, message: 'Two', files, delete: ['not-there'] })).toBe(first);
  });

  it('with a parent are refused as a conflict once the branch has moved', async () => {
    const parent = (await hub.resolve(repo)) as CommitSha;
    const write = (content: string) =>
      hub.commit({ repo, parent, message: content, files: [{ path: 'fence.json', content }] });
    const outcomes = await Promise.allSettled([write('one'), write('two')]);
    expect(outcomes.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    expect(outcomes.find(({ status }) => status === 'rejected')).toMatchObject({
      reason: expect.any(HubConflict),
    });
  });

  it('without a parent land side by side', async () => {
    await Promise.all(
      ['one', 'two', 'three'].map((name) =>
        hub.commit({ repo, message: name, files: [{ path: name, content: name }] }),
      ),
    );
    expect((await hub.list(repo, 'main')).map(({ path }) => path)).toEqual(
      expect.arrayContaining(['one', 'two', 'three']),
    );
  });

  it('that landed although the answer was lost are found, not repeated', async () => {
    let sent = 0;
    const flaky = meddling(async (url, _init, pass) => {
      const response = await pass();
      if (!url.includes('/commit/')) return response;
      sent += 1;
      throw new TypeError('fetch failed', { cause: new Error('other side closed') });
    });
    const parent = (await hub.resolve(repo)) as CommitSha;
    const commit = await flaky.commit({
      repo,
      parent,
      message: 'Once',
      files: [{ path: 'x', content: '1' }],
    });
    expect(sent).toBe(1);
    expect(commit).toBe(await hub.resolve(repo));
    expect(commit).not.toBe(parent);
  });

  it('delete whole folders by name', async () => {
    const files = ['old/1.txt', 'old/deep/2.txt', 'new/3.txt'].map((path) => ({ path, content: path }));
    await hub.commit({ repo, message: 'Three', files });
    const commit = await hub.commit({ repo, message: 'Drop', delete: ['old/'] });
    expect((await hub.list(repo, commit)).map(({ path }) => path)).toEqual(['.gitattributes', 'new/3.txt']);
  });

  it('are not made once their signal is aborted', async () => {
    const before = await hub.resolve(repo);
    const files = [{ path: 'x', content: '1' }];
    await expect(hub.commit({ repo, message: 'No', files, signal: AbortSignal.abort() })).rejects.toThrow();
    expect(await hub.resolve(repo)).toBe(before);
  });
});

describe('a Hub in trouble', () => {
  it.each([429, 500, 503])('that answers %i twice is asked again', async (status) => {
    let failures = 2;
    const flaky = meddling(async (_url, _init, pass) => {
      if (failures === 0) return pass();
      failures -= 1;
      return new Response('{"error":"later"}', { status, headers: { ratelimit: '"api";r=0;t=1' } });
    });
    expect(await flaky.resolve(repo)).toBe(await hub.resolve(repo));
    expect(failures).toBe(0);
  });

  it('that stays away is HubUnavailable, and the message does not hold the token', async () => {
    const gone = meddling(() => Promise.reject(new TypeError(`cannot reach it with ${TOKEN}`)));
    const error = await gone.resolve(repo).catch((caught: unknown) => caught);
    expect(error).toMatchObject({ kind: 'HubUnavailable', retryable: true });
    expect(`${(error as Error).stack} ${String((error as Error).cause)}`).not.toContain(TOKEN);
  });

  it('that refuses the token is HubRefused and not asked again', async () => {
    const stranger = connectHub({ endpoint: server.url, accessToken: 'hf_wrong', patience: QUICK });
    await expect(
      stranger.commit({ repo, message: 'No', files: [{ path: 'x', content: '1' }] }),
    ).rejects.toMatchObject({
      kind: 'HubRefused',
    });
  });
});

describe('downloads', () => {
  const content = randomBytes(3_000_000);
  let commit: CommitSha;
  let to: string;
  beforeEach(async () => {
    to = await mkdtemp(join(root, 'down-'));
    commit = await hub.commit({
      repo,
      message: 'Data',
      files: [
        { path: 'data/big.parquet', content },
        { path: 'data/note.txt', content: 'note' },
        { path: 'data/empty', content: '' },
        { path: 'other.txt', content: 'other' },
      ],
    });
  });

  it('bring a folder with paths as in the repository and report all bytes', async () => {
    let last = [0, 0];
    const onProgress = (done: number, total: number) => {
      last = [done, total];
    };
    await hub.download({ repo, commit, folder: 'data', toFolder: to, onProgress });
    expect(sha256Of(await readFile(join(to, 'data/big.parquet')))).toBe(sha256Of(content));
    expect((await stat(join(to, 'data/empty'))).size).toBe(0);
    expect(last).toEqual([content.length + 4, content.length + 4]);
    await expect(stat(join(to, 'other.txt'))).rejects.toThrow();
  });

  it('that break off go on where they stopped', async () => {
    const ranges: (string | null)[] = [];
    const flaky = meddling(async (url, init, pass) => {
      if (!url.endsWith('big.parquet')) return pass();
      ranges.push(new Headers(init.headers).get('range'));
      const response = await pass();
      if (ranges.length > 1 || response.body === null) return response;
      const reader = response.body.getReader();
      const { value } = await reader.read();
      await reader.cancel();
      return new Response(value, { status: response.status, headers: response.headers });
    });
    await flaky.download({ repo, commit, folder: 'data', toFolder: to });
    expect(ranges[1]).toMatch(/^bytes=[1-9]\d*-$/);
    expect(sha256Of(await readFile(join(to, 'data/big.parquet')))).toBe(sha256Of(content));
  });

  it('mend a file that was changed on disk and keep the others', async () => {
    await hub.download({ repo, commit, toFolder: to });
    await writeFile(join(to, 'data/big.parquet'), randomBytes(content.length));
    const asked: string[] = [];
    const watching = meddling((url, _init, pass) => {
      asked.push(url);
      return pass();
    });
    await watching.download({ repo, commit, toFolder: to });
    expect(sha256Of(await readFile(join(to, 'data/big.parquet')))).toBe(sha256Of(content));
    expect(asked.filter((url) => url.includes('/resolve/'))).toHaveLength(1);
  });

  it('read a large file that was verified once a session, and again when it has changed', async () => {
    const large = randomBytes(20_000_000);
    const files = [{ path: 'shard.safetensors', content: large }];
    const at = await hub.commit({ repo, message: 'Large', files });
    const read = async () => Number(/rchar: (\d+)/.exec(await readFile('/proc/self/io', 'utf8'))?.[1]);
    const bring = async () => {
      const before = await read();
      await hub.download({ repo, commit: at, toFolder: to, wanted: (path) => path.startsWith('shard') });
      return (await read()) - before;
    };
    await hub.download({ repo, commit: at, toFolder: to });
    // What the rename of a new file changes is seen once.
    await bring();
    expect(await bring()).toBeLessThan(1_000_000);
    const path = join(to, 'shard.safetensors');
    const changed = Buffer.from(large);
    changed[7] = 255 - (changed[7] ?? 0);
    const { atime, mtime } = await stat(path);
    await writeFile(path, changed);
    await utimes(path, atime, mtime);
    await bring();
    expect(sha256Of(await readFile(path))).toBe(sha256Of(large));
  });

  it('whose bytes stay wrong are Corrupt and leave no file behind', async () => {
    const lying = meddling(async (url, _init, pass) => {
      const { status, headers, body } = await pass();
      return new Response(url.endsWith('big.parquet') ? new Uint8Array(content.length) : body, {
        status,
        headers,
      });
    });
    await expect(lying.download({ repo, commit, toFolder: to })).rejects.toMatchObject({ kind: 'Corrupt' });
    await expect(stat(join(to, 'data/big.parquet'))).rejects.toThrow();
  });

  it('of paths that would leave the folder are refused', async () => {
    const evil = meddling(async (url, _init, pass) =>
      url.includes('/tree/')
        ? new Response(JSON.stringify([{ type: 'file', path: '../evil', size: 1, oid: 'a'.repeat(40) }]))
        : pass(),
    );
    await expect(evil.download({ repo, commit, toFolder: to })).rejects.toMatchObject({ kind: 'Corrupt' });
  });

  it('of a range give exactly those bytes', async () => {
    expect(await hub.readRange(repo, commit, 'data/big.parquet', 1000, 1010)).toEqual(
      content.subarray(1000, 1010),
    );
  });
});

describe('names', () => {
  it('of revisions resolve to commits, unknown ones to null', async () => {
    const commit = await hub.commit({ repo, message: 'x', files: [{ path: 'x', content: '1' }] });
    await hub.createTag(repo, 'v1', commit);
    expect([await hub.resolve(repo, 'v1'), await hub.resolve(repo, commit)]).toEqual([commit, commit]);
    expect(await hub.resolve(repo, 'nope')).toBeNull();
    expect(await hub.resolve({ type: 'model', repo: RepoId.parse('plein-air/missing') })).toBeNull();
  });

  it('given to tags are kept: the same commit is success, another one a conflict', async () => {
    const first = await hub.commit({ repo, message: 'x', files: [{ path: 'x', content: '1' }] });
    const second = await hub.commit({ repo, message: 'y', files: [{ path: 'x', content: '2' }] });
    await hub.createTag(repo, 'v1', first);
    await hub.createTag(repo, 'v1', first);
    await expect(hub.createTag(repo, 'v1', second)).rejects.toBeInstanceOf(HubConflict);
    expect(await hub.tags(repo)).toEqual([{ name: 'v1', commit: first }]);
    await hub.deleteTag(repo, 'v1');
    await hub.deleteTag(repo, 'v1');
    expect(await hub.tags(repo)).toEqual([]);
  });

  it('of branches that are there are left where they are when they are only wanted to be there', async () => {
    const first = await hub.commit({ repo, message: 'x', files: [{ path: 'x', content: '1' }] });
    const second = await hub.commit({ repo, message: 'y', files: [{ path: 'x', content: '2' }] });
    await hub.ensureBranch(repo, 'trial-0', first);
    await hub.ensureBranch(repo, 'trial-0', second);
    expect(await hub.resolve(repo, 'trial-0')).toBe(first);
  });

  it('of branches can be pointed at any commit, forth and back', async () => {
    const first = await hub.commit({ repo, message: 'x', files: [{ path: 'x', content: '1' }] });
    const second = await hub.commit({ repo, message: 'y', files: [{ path: 'x', content: '2' }] });
    await hub.setBranch(repo, 'production', second);
    await hub.setBranch(repo, 'production', first);
    expect(await hub.resolve(repo, 'production')).toBe(first);
    expect((await hub.branches(repo)).map(({ name }) => name).sort()).toEqual(['main', 'production']);
  });
});

describe('verified JSON', () => {
  const Schema = z.strictObject({ steps: z.int() });
  it('is parsed when its sha256 is the promised one and Corrupt when it is not', async () => {
    const content = '{"steps":3}';
    const commit = await hub.commit({ repo, message: 'x', files: [{ path: 'r.json', content }] });
    const ref = FileRef.parse({ ...repo, commit, path: 'r.json', sha256: sha256Of(content) });
    expect(await readVerified(hub, ref, Schema)).toEqual({ steps: 3 });
    await expect(readVerified(hub, { ...ref, sha256: sha256Of('other') }, Schema)).rejects.toMatchObject({
      kind: 'Corrupt',
    });
  });

  it('that does not fit its schema names the field', async () => {
    const content = '{"steps":"three"}';
    const commit = await hub.commit({ repo, message: 'x', files: [{ path: 'r.json', content }] });
    const ref = FileRef.parse({ ...repo, commit, path: 'r.json', sha256: sha256Of(content) });
    await expect(readVerified(hub, ref, Schema)).rejects.toThrow(/steps/);
  });
});

describe('whoAmI', () => {
  it('names the owner of the token', async () => {
    expect(await hub.whoAmI()).toEqual(expect.any(String));
  });
});
