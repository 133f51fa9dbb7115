import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { RepoId, type RepoRef } from '../../src/domain/refs.ts';
import { connectHub } from '../../src/hub/client.ts';
import { commitOnHead } from '../../src/hub/commit-on-head.ts';
import { HubConflict } from '../../src/hub/errors.ts';
import type { Hub } from '../../src/hub/hub.ts';
import { startLocalHub } from '../../src/local-hub/server.ts';

let root: string;
let server: Awaited<ReturnType<typeof startLocalHub>>;
let hub: Hub;
let number = 0;

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'commit-on-head-'));
  server = await startLocalHub({ root: join(root, 'hub') });
  hub = connectHub({ endpoint: server.url, accessToken: 'hf_local_plein_air' });
});
afterAll(async () => {
  await server.close();
  await rm(root, { recursive: true, force: true });
});

async function repo(): Promise<RepoRef> {
  number += 1;
  const made = { type: 'dataset', repo: RepoId.parse(`team/on-head-${number}`) } as const;
  await hub.ensureRepo(made);
  return made;
}
const read = async (at: RepoRef, path: string) => (await hub.read(at, 'main', path))?.toString() ?? '';

describe('commitOnHead', () => {
  it('loses no writer’s change when many write at once', async () => {
    const at = await repo();
    const add = (line: string) =>
      commitOnHead(hub, { repo: at }, async () => ({
        message: line,
        files: [{ path: 'log.txt', content: `${await read(at, 'log.txt')}${line}\n` }],
        answer: () => line,
      }));
    const lines = Array.from({ length: 6 }, (_, i) => `line ${i}`);
    expect(await Promise.all(lines.map(add))).toEqual(lines);
    expect((await read(at, 'log.txt')).trim().split('\n').sort()).toEqual(lines);
  });

  it('commits nothing when the head leaves nothing to do', async () => {
    const at = await repo();
    const head = await hub.resolve(at);
    expect(await commitOnHead(hub, { repo: at }, (seen) => ({ done: seen }))).toBe(head);
    expect(await hub.resolve(at)).toBe(head);
  });

  it('replaces the files of a folder, and leaves others alone', async () => {
    const at = await repo();
    const files = (paths: string[]) => paths.map((path) => ({ path, content: path }));
    await hub.commit({ repo: at, message: 'Before', files: files(['a/old', 'a/kept', 'b/other']) });
    await commitOnHead(hub, { repo: at }, () => ({
      ...{ message: 'After', files: files(['a/kept', 'a/new']), replace: ['a'] },
      answer: (commit) => commit,
    }));
    const paths = (await hub.list(at, 'main')).map(({ path }) => path);
    expect(paths.filter((path) => path !== '.gitattributes').sort()).toEqual(['a/kept', 'a/new', 'b/other']);
  });

  it('builds again when what follows the commit finds its name taken', async () => {
    const at = await repo();
    let tries = 0;
    await commitOnHead(hub, { repo: at }, () => ({
      ...{ message: 'A tag', files: [{ path: `file-${tries}`, content: '' }] },
      answer: () => {
        tries += 1;
        if (tries < 3) throw new HubConflict('the tag is taken');
      },
    }));
    expect(tries).toBe(3);
  });

  it('gives up with an error that is retried, after as many races as nobody loses by chance', async () => {
    const at = await repo();
    let races = 0;
    const losing: Hub = {
      ...hub,
      commit: async () => {
        races += 1;
        throw new HubConflict('somebody was faster');
      },
    };
    const late = commitOnHead(losing, { repo: at }, () => ({ message: 'Late', files: [], answer: () => 1 }));
    await expect(late).rejects.toMatchObject({ kind: 'HubUnavailable', retryable: true });
    expect(races).toBe(20);
  });
});
