import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { LANE_FILES, type Lane } from '../../../src/activities/train/branch.ts';
import { tidyLane } from '../../../src/activities/train/squash.ts';
import { type CommitSha, RepoId, type Sha256 } from '../../../src/domain/refs.ts';
import { connectHub } from '../../../src/hub/client.ts';
import { sha256Of } from '../../../src/hub/hashing.ts';
import { type HubInTest, startHubInTest, TOKEN } from '../../local-hub/hub-in-test.ts';

let server: HubInTest;

beforeAll(async () => {
  server = await startHubInTest();
});
afterAll(() => server.stop());

/** A lane held by fencing token 3, whose first checkpoint was dropped by its newest commit. */
async function laneWithDropped(name: string): Promise<{ lane: Lane; dropped: Sha256; before: CommitSha }> {
  const hub = connectHub({ endpoint: server.url, accessToken: TOKEN });
  const lane: Lane = { hub, repo: { type: 'model', repo: RepoId.parse(`team/${name}`) }, branch: 'main' };
  const { repo } = lane;
  await hub.ensureRepo(repo);
  const weights = randomBytes(50_000);
  const fence = JSON.stringify({ format: 1, token: 3, owner: 'the attempt that holds it' });
  const files = [
    { path: 'checkpoints/step-00000001/adapter.safetensors', content: weights },
    { path: LANE_FILES.fence, content: fence },
  ];
  const before = await hub.commit({ repo, message: 'Checkpoint at step 1', files });
  await hub.commit({ repo, message: 'Checkpoint at step 2', delete: ['checkpoints/step-00000001'] });
  return { lane, dropped: sha256Of(weights), before };
}

async function stored({ repo }: Lane): Promise<string[]> {
  const headers = { authorization: `Bearer ${TOKEN}` };
  const answer = await fetch(`${server.url}/api/models/${repo.repo}/lfs-files`, { headers });
  return ((await answer.json()) as { oid: string }[]).map(({ oid }) => oid);
}

it('frees what was dropped once the history that named it is one commit', async () => {
  const { lane, dropped } = await laneWithDropped('free');
  expect(await stored(lane)).toEqual([dropped]);
  const { head, stillReferenced } = await tidyLane(lane, 3, [dropped]);
  expect(stillReferenced).toEqual([]);
  expect(await stored(lane)).toEqual([]);
  expect(await lane.hub.resolve(lane.repo)).toBe(head);
});

it('keeps what a tag still names, and says so', async () => {
  const { lane, dropped, before } = await laneWithDropped('named');
  await lane.hub.createTag(lane.repo, 'result-main', before);
  expect((await tidyLane(lane, 3, [dropped])).stillReferenced).toEqual([dropped]);
  expect(await stored(lane)).toEqual([dropped]);
});

it('frees nothing for an attempt whose successor holds the fence', async () => {
  const { lane, dropped } = await laneWithDropped('fenced');
  await expect(tidyLane(lane, 2, [dropped])).rejects.toMatchObject({ kind: 'Fenced' });
  expect(await stored(lane)).toEqual([dropped]);
});
