import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { RepoId, type RepoRef } from '../../src/domain/refs.ts';
import { connectHub } from '../../src/hub/client.ts';
import type { Hub } from '../../src/hub/hub.ts';
import { fsck } from '../../src/local-hub/fsck.ts';
import { gc } from '../../src/local-hub/gc.ts';
import { type HubInTest, startHubInTest, TOKEN } from './hub-in-test.ts';

const READER = 'hf_reader';
const from: RepoRef = { type: 'dataset', repo: RepoId.parse('team/first') };
const to: RepoRef = { type: 'dataset', repo: RepoId.parse('other/second') };
const large = Buffer.alloc(12_000_000, 7);

let server: HubInTest;
let hub: Hub;

const duplicate = (body: object, token = TOKEN) =>
  fetch(`${server.url}/api/datasets/${from.repo}/duplicate`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });

beforeAll(async () => {
  server = await startHubInTest({
    tokens: [
      { user: 'team', token: TOKEN, role: 'write' },
      { user: 'guest', token: READER, role: 'read' },
    ],
  });
  hub = connectHub({ endpoint: server.url, accessToken: TOKEN });
  await hub.ensureRepo(from, { private: true });
  const commit = (path: string, content: Buffer | string) =>
    hub.commit({ repo: from, message: path, files: [{ path, content }] });
  await commit('a/one.txt', 'one');
  await commit('weights.bin', large);
  await hub.createTag(from, 'v1', await commit('two.txt', 'two'), 'the first');
  await commit('a/one.txt', 'changed');
});
afterAll(() => server.stop());

describe('duplicating', () => {
  it('is refused over a repo that is there, without the right to write, and with what this Hub has not', async () => {
    await hub.ensureRepo({ ...from, repo: RepoId.parse('team/taken') });
    expect((await duplicate({ repository: 'team/taken' })).status).toBe(409);
    expect([401, 403]).toContain((await duplicate({ repository: 'guest/mine' }, READER)).status);
    expect((await duplicate({ repository: 'team/x', volumes: [] })).status).toBe(400);
    expect(await hub.resolve({ ...from, repo: RepoId.parse('team/x') }, 'main')).toBeNull();
  });
});

describe('a duplicated repo', () => {
  it('has history, tags and large files of the first, is as private, and lives on without it', async () => {
    const answer = await duplicate({ repository: to.repo });
    expect(answer.status).toBe(200);
    expect(await answer.json()).toMatchObject({ name: to.repo, private: true, filesCopyPending: false });
    const [first, second] = [await hub.resolve(from, 'main'), await hub.resolve(to, 'main')];
    expect(second).toBe(first);
    expect((await hub.read(to, 'v1', 'a/one.txt'))?.toString()).toBe('one');
    expect((await hub.read(to, 'main', 'a/one.txt'))?.toString()).toBe('changed');
    expect((await hub.read(to, 'main', 'weights.bin'))?.equals(large)).toBe(true);
    expect((await fetch(`${server.url}/api/datasets/${to.repo}`)).status).toBe(401);
    await hub.commit({ repo: to, message: 'on', files: [{ path: 'a/one.txt', content: 'apart' }] });
    expect((await hub.read(from, 'main', 'a/one.txt'))?.toString()).toBe('changed');
    const gone = await fetch(`${server.url}/api/repos/delete`, {
      method: 'DELETE',
      headers: { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' },
      body: JSON.stringify({ name: 'first', organization: 'team', type: 'dataset' }),
    });
    expect(gone.status).toBe(200);
    await server.close();
    await gc(server.root);
    expect((await fsck(server.root)).problems).toEqual([]);
  });
});
