import { afterAll, beforeAll, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { RepoId, type RepoRef } from '../../src/domain/refs.ts';
import { connectHub } from '../../src/hub/client.ts';
import type { Hub } from '../../src/hub/hub.ts';
import { type HubInTest, startHubInTest, TOKEN } from './hub-in-test.ts';

const PATHS = ['a', 'b/c', 'b/d', 'b/e/f', 'g/h'] as const;

let server: HubInTest;
let hub: Hub;
beforeAll(async () => {
  server = await startHubInTest();
  hub = connectHub({ endpoint: server.url, accessToken: TOKEN });
});
afterAll(() => server.stop());

/** What a path is: a file's content, or all that lies in a folder. */
const stateOf = (files: ReadonlyMap<string, string>, path: string) =>
  JSON.stringify([...files].filter(([name]) => name === path || name.startsWith(`${path}/`)).sort());

const commits = fc.array(
  fc.dictionary(fc.constantFrom(...PATHS), fc.constantFrom('x', 'y', ''), { minKeys: 1 }),
  {
    minLength: 1,
    maxLength: 6,
  },
);
let repos = 0;

it('a listing names the commit that last changed each file and folder, whatever the history', async () => {
  await fc.assert(
    fc.asyncProperty(commits, async (history) => {
      repos += 1;
      const repo: RepoRef = { type: 'dataset', repo: RepoId.parse(`team/history-${repos}`) };
      await hub.ensureRepo(repo);
      const files = new Map<string, string>();
      const states: Map<string, string>[] = [];
      const ids: string[] = [];
      for (const change of history) {
        const gone = Object.keys(change).filter((path) => change[path] === '' && files.has(path));
        const put = Object.entries(change).filter(([, content]) => content !== '');
        for (const path of gone) files.delete(path);
        for (const [path, content] of put) files.set(path, content);
        const written = put.map(([path, content]) => ({ path, content }));
        ids.push(await hub.commit({ repo, message: `${ids.length}`, files: written, delete: gone }));
        states.push(new Map(files));
      }
      const answer = await fetch(
        `${server.url}/api/datasets/${repo.repo}/tree/main?recursive=true&expand=true`,
        {
          headers: { authorization: `Bearer ${TOKEN}` },
        },
      );
      const listed = (await answer.json()) as { path: string; lastCommit: { id: string } }[];
      for (const { path, lastCommit } of listed) {
        if (path === '.gitattributes') continue;
        let last = states.length - 1;
        const now = stateOf(files, path);
        while (last > 0 && stateOf(states[last - 1] ?? new Map(), path) === now) last -= 1;
        expect([path, lastCommit.id]).toEqual([path, ids[last]]);
      }
    }),
    { numRuns: 25 },
  );
}, 120_000);
