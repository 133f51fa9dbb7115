import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { expect, it } from '@jest/globals';
import { execa } from 'execa';
import { fsck } from '../../src/local-hub/fsck.ts';
import { gc } from '../../src/local-hub/gc.ts';
import { startHubInTest, TOKEN } from '../local-hub/hub-in-test.ts';

it('the unmodified client opens, extends, lists, merges and closes pull requests', async () => {
  const hub = await startHubInTest();
  const home = await mkdtemp(join(tmpdir(), 'plein-air-hf-'));
  try {
    const { stdout } = await execa(
      resolve('gpu-worker/.venv/bin/python'),
      [resolve('test/hub-conformance/pull_requests.py')],
      { env: { HF_ENDPOINT: hub.url, HF_TOKEN: TOKEN, HF_HOME: home }, cwd: home },
    );
    expect(JSON.parse(stdout.split('\n').at(-1) ?? '')).toMatchObject({
      url: `${hub.url}/plein-air/pulls/discussions/1`,
      revision: 'refs/pr/1',
      proposed: 'two',
      details: ['open', true, [], 'refs/heads/main'],
      merged: ['merged', 'Two and more', true],
      events: ['comment', 'title-change', 'status-change'],
      files: ['.gitattributes', 'a.txt', 'b.txt'],
      after: 'two',
      conflict: 409,
      conflicting: ['a.txt'],
      list: [
        [4, 'open'],
        [3, 'open'],
        [2, 'closed'],
        [1, 'merged'],
      ],
      refs: ['refs/pr/1', 'refs/pr/2', 'refs/pr/3', 'refs/pr/4'],
    });
    await hub.close();
    expect((await fsck(hub.root)).problems).toEqual([]);
    await gc(hub.root);
    expect((await fsck(hub.root)).problems).toEqual([]);
  } finally {
    await hub.stop().catch(() => undefined);
    await rm(home, { recursive: true, force: true });
  }
}, 120_000);
