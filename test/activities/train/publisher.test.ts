import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import type { LocalSave } from '../../../src/activities/train/checkpoint-commit.ts';
import { CheckpointPublisher } from '../../../src/activities/train/publisher.ts';
import { RepoId, type RepoRef } from '../../../src/domain/refs.ts';
import { beginAttempt, emptyLedger } from '../../../src/domain/training/ledger.ts';
import { connectHub } from '../../../src/hub/client.ts';
import { sha256Of } from '../../../src/hub/hashing.ts';
import type { Hub } from '../../../src/hub/hub.ts';
import { type HubInTest, startHubInTest, TOKEN } from '../../local-hub/hub-in-test.ts';

let server: HubInTest;
let folder: string;

beforeAll(async () => {
  server = await startHubInTest();
  folder = await mkdtemp(join(tmpdir(), 'publisher-'));
});
afterAll(async () => {
  await server.stop();
  await rm(folder, { recursive: true, force: true });
});

/** A checkpoint as the trainer leaves it. */
async function saved(step: number): Promise<LocalSave> {
  const path = join(folder, `step-${String(step).padStart(8, '0')}`);
  await mkdir(path);
  const weights = `weights of step ${step}`;
  const file = { path: 'adapter.bin', bytes: weights.length, sha256: sha256Of(weights) };
  const manifest = JSON.stringify({
    ...{ format: 1, step, microStep: step, fingerprint: {}, heldOutLoss: null, files: [file] },
  });
  await writeFile(join(path, 'adapter.bin'), weights);
  await writeFile(join(path, 'manifest.json'), manifest);
  return { step, path, manifestSha256: sha256Of(manifest) };
}

it('gives the Hub the newest checkpoint of those that came while it was busy, and only that', async () => {
  const hub = connectHub({ endpoint: server.url, accessToken: TOKEN });
  const repo: RepoRef = { type: 'model', repo: RepoId.parse('team/lane') };
  await hub.ensureRepo(repo);
  const files = [{ path: 'fence.json', content: '{"format":1,"token":1,"owner":"us"}' }];
  const head = await hub.commit({ repo, message: 'Fence', files });
  const attempt = {
    ...{
      token: 1,
      owner: 'us',
      runId: 'run',
      startedAt: 0,
      resumedFrom: 0,
      reached: 0,
      checkpoints: 0,
      packs: 0,
    },
    ...{ gpuSeconds: 0, ended: 'running' as const, failure: null, damaged: [], accepted: [] },
  };
  const ledger = beginAttempt(emptyLedger('main'), attempt, { step: null, gpuSeconds: null, packs: null });
  let letGo: () => void = () => undefined;
  const busy = new Promise<void>((resolve) => {
    letGo = resolve;
  });
  const slow: Hub = {
    ...hub,
    commit: async (request) => {
      await busy;
      return hub.commit(request);
    },
  };
  const [published, superseded]: string[][] = [[], []];
  const publisher = new CheckpointPublisher({
    ...{ lane: { hub: slow, repo, branch: 'main' }, token: 1, head, ledger },
    ...{ checkpoints: [], damagedFolders: [], keep: { newest: 3, every: null }, squashEvery: 100 },
    ...{ minGapMs: 0, unsavedLimitMs: 60_000, metrics: () => [], log: () => undefined },
    standing: () => ({ step: 3, gpuSeconds: 1 }),
    onPublished: (save) => published?.push(basename(save.path)),
    onSuperseded: (save) => superseded?.push(basename(save.path)),
    onFailure: (error) => {
      throw error;
    },
  });
  for (const step of [1, 2, 3]) publisher.offer(await saved(step));
  letGo();
  await publisher.settle({ ended: 'stopped', failure: null, result: null }, 60_000);
  expect(published).toEqual(['step-00000001', 'step-00000003']);
  expect(superseded).toEqual(['step-00000002']);
});
