import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { parseRunConfig } from '../../src/domain/config/run-config.ts';
import { LEDGER_FILE, Ledger } from '../../src/domain/evaluation/ledger.ts';
import { RepoId, RunName, Sha256 } from '../../src/domain/refs.ts';
import type { RunContext } from '../../src/domain/run/context.ts';
import { ledgerRepo, runRepos } from '../../src/domain/run/repositories.ts';
import { connectHub } from '../../src/hub/client.ts';
import type { Hub } from '../../src/hub/hub.ts';
import { enterCandidate, readStanding, recordLook, rotationNow } from '../../src/releases/ledger.ts';
import { type HubInTest, startHubInTest, TOKEN } from '../local-hub/hub-in-test.ts';

let server: HubInTest;
let hub: Hub;
beforeAll(async () => {
  server = await startHubInTest();
  hub = connectHub({ endpoint: server.url, accessToken: TOKEN });
});
afterAll(() => server.stop());

const sha = (n: number) => Sha256.parse(n.toString(16).padStart(64, '0'));

function contextOf(model: string, run: string): RunContext {
  const parsed = parseRunConfig({ namespace: 'plein-air', model });
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.problems));
  const name = RunName.parse(run);
  const repo = { repo: RepoId.parse('plein-air/x'), commit: 'a'.repeat(40) };
  return {
    ...{ run: name, workflowId: run, runId: run, namespace: 'plein-air', config: parsed.value },
    repos: runRepos('plein-air', name, model),
    base: { type: 'model', ...repo } as RunContext['base'],
    source: { type: 'dataset', ...repo } as RunContext['source'],
  };
}

const enter = (model: string, n: number) =>
  enterCandidate(hub, contextOf(model, `run-${n}`), {
    ...{ candidate: sha(n), adapterSha256: sha(n), sampleSetSha256: sha(1000) },
  });

it('gives candidates that are entered at once a place each, and an activity that runs twice its own again', async () => {
  const numbers = [1, 2, 3, 4, 5];
  const entries = await Promise.all([...numbers, ...numbers].map((n) => enter('crowd', n)));
  expect(entries.map(({ place }) => place).sort()).toEqual([1, 1, 2, 2, 3, 3, 4, 4, 5, 5]);
  for (const n of numbers)
    expect(
      new Set(entries.filter(({ candidate }) => candidate === sha(n)).map(({ place }) => place)).size,
    ).toBe(1);
  // Four were asked the first set: who begins now is asked other sealed prompts.
  const line = contextOf('crowd', 'next');
  expect(await rotationNow(hub, line)).toBe(1);
  expect(await rotationNow(hub, contextOf('unknown', 'next'))).toBe(0);
});

it('counts anew after a release, keeps what was judged, and says it', async () => {
  const line = contextOf('painter', 'run-1');
  await enter('painter', 1);
  await recordLook(hub, line, { candidate: sha(1), look: 1, verdict: 'FAIL', at: 5 });
  const second = await enter('painter', 2);
  expect(second).toMatchObject({ place: 2, releases: 0 });
  expect(await readStanding(hub, line, sha(2))).toMatchObject({
    place: 2,
    before: { FAIL: 1 },
    promptsSeen: 1,
  });
  const { release } = line.repos;
  await hub.ensureRepo({ type: 'model', repo: release });
  const commit = await hub.commit({
    ...{ repo: { type: 'model', repo: release }, message: 'v1' },
    files: [{ path: 'README.md', content: 'x' }],
  });
  await hub.createTag({ type: 'model', repo: release }, 'v1', commit);
  expect(await enter('painter', 3)).toMatchObject({ place: 1, releases: 1 });
  // The release is judged again every night: with the bounds that it was released by.
  expect(await enter('painter', 2)).toEqual(second);
  expect(await rotationNow(hub, line)).toBe(1);
  const repo = { type: 'dataset', repo: ledgerRepo('plein-air', 'painter') } as const;
  const head = await hub.resolve(repo);
  const bytes = head === null ? null : await hub.read(repo, head, LEDGER_FILE);
  expect(Ledger.parse(JSON.parse(String(bytes))).candidates).toHaveLength(3);
});
