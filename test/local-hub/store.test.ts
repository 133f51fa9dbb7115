import { appendFile, readdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { createRepo, uploadFile } from '@huggingface/hub';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { fsck } from '../../src/local-hub/fsck.ts';
import { gc } from '../../src/local-hub/gc.ts';
import { type LocalHub, startLocalHub } from '../../src/local-hub/server.ts';
import { lockFolder } from '../../src/local-hub/store/process-lock.ts';
import { type HubInTest, startHubInTest, TOKEN } from './hub-in-test.ts';

const repo = 'painter/kept';
const LARGE = 'blue '.repeat(300_000);
let hub: HubInTest;
let again: LocalHub | undefined;
const options = () => ({ hubUrl: (again ?? hub).url, accessToken: TOKEN, repo });
const put = (path: string, text: string) =>
  uploadFile({ ...options(), file: { path, content: new Blob([text]) } });
const get = (path: string) => fetch(`${(again ?? hub).url}/${repo}/resolve/main/${path}`);
const ask = async (method: string, path: string, body: unknown): Promise<Response> =>
  fetch(`${(again ?? hub).url}${path}`, {
    method,
    headers: { Authorization: `Bearer ${TOKEN}` },
    body: JSON.stringify(body),
  });
/** Every blob of the store, by sha256. */
const blobs = async (): Promise<Map<string, string>> => {
  const found = new Map<string, string>();
  const top = join(hub.root, 'blobs', 'sha256');
  for (const prefix of await readdir(top))
    for (const rest of await readdir(join(top, prefix))) found.set(prefix + rest, join(top, prefix, rest));
  return found;
};
const blobOf = async (text: string): Promise<string> => {
  for (const path of (await blobs()).values()) if ((await readFile(path, 'utf8')) === text) return path;
  throw new Error('Expected a blob with that text');
};

beforeEach(async () => {
  hub = await startHubInTest();
  again = undefined;
  await createRepo(options());
});
afterEach(async () => {
  await again?.close();
  await hub.stop();
});

describe('fsck', () => {
  it('finds one changed byte in a file that a commit holds, and names the file', async () => {
    await put('notes.txt', 'wet paint');
    await appendFile(await blobOf('wet paint'), '!');
    const { problems } = await fsck(hub.root);
    expect(problems).toEqual([expect.stringContaining('painter/kept: notes.txt')]);
  });

  it('finds damage in a file that no commit holds: the next upload of it would count as stored', async () => {
    await put('notes.txt', 'wet paint');
    await put('notes.txt', 'dry paint');
    await ask('POST', `/api/models/${repo}/super-squash/main`, {});
    expect(await fsck(hub.root)).toMatchObject({ orphans: 1, problems: [] });
    await writeFile(await blobOf('wet paint'), 'wet pain!');
    expect((await fsck(hub.root)).problems).toEqual([expect.stringContaining('no ref reaches')]);
  });

  it('finds a missing file, a damaged folder record and a torn ref', async () => {
    await put('notes.txt', 'wet paint');
    await rm(await blobOf('wet paint'));
    expect((await fsck(hub.root)).problems).toEqual([expect.stringContaining('missing')]);
    await put('notes.txt', 'wet paint');
    expect((await fsck(hub.root)).problems).toEqual([]);
    await writeFile(join(hub.root, 'repos', 'models', repo, 'refs', 'heads', 'torn'), 'abc');
    expect((await fsck(hub.root)).problems).toEqual([expect.stringContaining('refs/heads/torn')]);
  });

  it('sets damaged files aside, so that uploading them again mends the repo', async () => {
    await put('large.bin', LARGE);
    await writeFile(await blobOf(LARGE), LARGE.replace('b', 'B'));
    await hub.close();
    const { setAside } = await fsck(hub.root, { setAside: true });
    expect(setAside.length).toBe(1);
    again = await startLocalHub({ root: hub.root });
    expect((await get('large.bin')).status).toBe(404);
    await put('large.bin', LARGE);
    expect(await (await get('large.bin')).text()).toBe(LARGE);
    expect((await fsck(hub.root)).problems).toEqual([]);
  });

  it.each([fsck, gc])('does not take a mistyped folder for an empty Hub', async (check) => {
    await expect(check(join(hub.root, 'typo'))).rejects.toThrow('Expected the folder of a Hub');
  });
});

it('a damaged repo is told about where it is asked for, and hides no other', async () => {
  await createRepo({ ...options(), repo: 'painter/sound' });
  await writeFile(join(hub.root, 'repos', 'models', repo, 'refs', 'heads', 'main'), 'f'.repeat(40));
  const listed = (await (await fetch(`${hub.url}/api/models`)).json()) as { id: string }[];
  expect(listed.map(({ id }) => id).sort()).toEqual([repo, 'painter/sound']);
  expect(await (await fetch(hub.url)).text()).toContain('painter/sound');
  expect((await fetch(`${hub.url}/api/models/${repo}`)).status).toBe(404);
});

describe('gc', () => {
  it('removes what no ref reaches and nothing else, and the listing of large files follows', async () => {
    await put('old.dat', LARGE);
    await put('keep.dat', `${LARGE}!`);
    await put('old.dat', 'small now');
    await ask('POST', `/api/models/${repo}/super-squash/main`, {});
    const listed = async (): Promise<string[]> =>
      (
        (await (await ask('GET', `/api/models/${repo}/lfs-files`, undefined)).json()) as {
          filename: string;
        }[]
      ).map(({ filename }) => filename);
    expect(await listed()).toEqual(['old.dat', 'keep.dat']);
    await expect(gc(hub.root)).rejects.toThrow('belongs to process');
    await hub.close();
    expect(await gc(hub.root)).toMatchObject({ keptBlobs: 3, removedBlobs: 1 });
    again = await startLocalHub({ root: hub.root });
    expect(await listed()).toEqual(['keep.dat']);
    expect(await (await get('keep.dat')).text()).toBe(`${LARGE}!`);
    expect(await fsck(hub.root)).toMatchObject({ problems: [], orphans: 0 });
  });

  it('frees the bytes of what was deleted for good', async () => {
    await put('gone.bin', LARGE);
    const [file] = (await (await ask('GET', `/api/models/${repo}/lfs-files`, undefined)).json()) as {
      oid: string;
    }[];
    await ask('POST', `/api/models/${repo}/lfs-files/batch`, {
      deletions: { sha: [file?.oid], rewriteHistory: false },
    });
    expect((await fsck(hub.root)).problems).toEqual([]);
    await hub.close();
    await gc(hub.root);
    expect(file?.oid).toMatch(/^[0-9a-f]{64}$/);
    expect((await blobs()).has(file?.oid ?? '')).toBe(false);
    expect((await fsck(hub.root)).problems).toEqual([]);
  });
});

describe('a folder’s lock', () => {
  const lock = (): string => join(hub.root, 'LOCK');

  it('of a process that is gone is taken over, even where another process bears its number now', async () => {
    await hub.close();
    const birth = 'another boot 1';
    await writeFile(lock(), JSON.stringify({ pid: process.pid, host: hostname(), birth }));
    await (await lockFolder(hub.root))();
    await writeFile(lock(), JSON.stringify({ pid: process.ppid, host: hostname(), birth }));
    await (await lockFolder(hub.root))();
    await writeFile(lock(), '{"torn');
    await (await lockFolder(hub.root))();
  });

  it('on another machine is respected, with the way out named', async () => {
    await hub.close();
    await writeFile(lock(), JSON.stringify({ pid: 1, host: 'elsewhere', birth: null }));
    await expect(lockFolder(hub.root)).rejects.toThrow(/elsewhere.*remove .*LOCK/);
    await rm(lock());
  });

  it('goes to one of many that ask at once, also over a dead one’s', async () => {
    await hub.close();
    for (let round = 0; round < 20; round += 1) {
      await writeFile(lock(), JSON.stringify({ pid: process.pid, host: hostname(), birth: 'before' }));
      const asked = await Promise.allSettled(Array.from({ length: 8 }, () => lockFolder(hub.root)));
      const got = asked.filter((one) => one.status === 'fulfilled');
      expect(got.length).toBe(1);
      for (const one of got) await one.value();
      expect(await readdir(hub.root)).not.toContain('LOCK');
    }
  });
});

describe('links that somebody planted in the Hub’s folder', () => {
  it('lead to no file: not for a blob, not for a repo', async () => {
    await put('notes.txt', 'wet paint');
    const blob = await blobOf('wet paint');
    const secret = join(hub.root, 'secret.txt');
    await writeFile(secret, 'wet paint');
    await rm(blob);
    await symlink(secret, blob);
    expect((await get('notes.txt')).status).toBe(404);
    expect((await fsck(hub.root)).problems).toEqual([expect.stringContaining('not a plain file')]);
    const models = join(hub.root, 'repos', 'models');
    await rename(join(models, 'painter'), join(models, 'moved'));
    await symlink(join(models, 'moved'), join(models, 'painter'));
    await hub.close();
    again = await startLocalHub({ root: hub.root });
    expect((await get('notes.txt')).status).toBe(401);
  });
});
