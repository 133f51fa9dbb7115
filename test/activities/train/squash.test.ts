import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { BRANCH_FILES, type TrainingBranch } from '../../../src/activities/train/branch.ts';
import { tidyBranch } from '../../../src/activities/train/squash.ts';
import { type CommitSha, RepoId, type Sha256 } from '../../../src/domain/refs.ts';
import { connectHub } from '../../../src/hub/client.ts';
import { sha256Of } from '../../../src/hub/hashing.ts';
import { type HubInTest, startHubInTest, TOKEN } from '../../local-hub/hub-in-test.ts';

let server: HubInTest;

beforeAll(async () => {
  server = await startHubInTest();
});
afterAll(() => server.stop());

/** A branch held by fencing token 3, whose first checkpoint was dropped by its newest commit. */
async function branchWithDropped(
  name: string,
): Promise<{ branch: TrainingBranch; dropped: Sha256; before: CommitSha }> {
  const hub = connectHub({ endpoint: server.url, accessToken: TOKEN });
  const branch: TrainingBranch = {
    hub,
    repo: { type: 'model', repo: RepoId.parse(`team/${name}`) },
    name: 'main',
  };
  const { repo } = branch;
  await hub.ensureRepo(repo);
  const weights = randomBytes(50_000);
  const fence = JSON.stringify({ format: 1, token: 3, owner: 'the attempt that holds it' });
  const files = [
    { path: 'checkpoints/step-00000001/adapter.safetensors', content: weights },
    { path: BRANCH_FILES.fence, content: fence },
  ];
  const before = await hub.commit({ repo, message: 'Checkpoint at step 1', files });
  await hub.commit({ repo, message: 'Checkpoint at step 2', delete: ['checkpoints/step-00000001'] });
  return { branch, dropped: sha256Of(weights), before };
}

async function stored({ repo }: TrainingBranch): Promise<string[]> {
  const headers = { authorization: `Bearer ${TOKEN}` };
  const answer = await fetch(`${server.url}/api/models/${repo.repo}/lfs-files`, { headers });
  return ((await answer.json()) as { oid: string }[]).map(({ oid }) => oid);
}

it('frees what was dropped once the history that named it is one commit', async () => {
  const { branch, dropped } = await branchWithDropped('free');
  expect(await stored(branch)).toEqual([dropped]);
  const { head, stillReferenced } = await tidyBranch(branch, 3, [dropped]);
  expect(stillReferenced).toEqual([]);
  expect(await stored(branch)).toEqual([]);
  expect(await branch.hub.resolve(branch.repo)).toBe(head);
});

it('keeps what a tag still names, and says so', async () => {
  const { branch, dropped, before } = await branchWithDropped('named');
  await branch.hub.createTag(branch.repo, 'result-main', before);
  expect((await tidyBranch(branch, 3, [dropped])).stillReferenced).toEqual([dropped]);
  expect(await stored(branch)).toEqual([dropped]);
});

it('frees nothing for an attempt whose successor holds the fence', async () => {
  const { branch, dropped } = await branchWithDropped('fenced');
  await expect(tidyBranch(branch, 2, [dropped])).rejects.toMatchObject({ kind: 'Fenced' });
  expect(await stored(branch)).toEqual([dropped]);
});
