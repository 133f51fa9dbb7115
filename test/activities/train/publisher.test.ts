import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { LocalSave } from '../../../src/activities/train/checkpoint-commit.ts';
import {
  CheckpointPublisher,
  type Clock,
  type PublisherStart,
} from '../../../src/activities/train/publisher.ts';
import { PipelineError } from '../../../src/domain/errors.ts';
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
  await mkdir(path, { recursive: true });
  const weights = `weights of step ${step}`;
  const file = { path: 'adapter.bin', bytes: weights.length, sha256: sha256Of(weights) };
  const manifest = JSON.stringify({
    ...{ format: 1, step, microStep: step, fingerprint: {}, heldOutLoss: null, files: [file] },
  });
  await writeFile(join(path, 'adapter.bin'), weights);
  await writeFile(join(path, 'manifest.json'), manifest);
  return { step, path, manifestSha256: sha256Of(manifest) };
}

let branches = 0;

/** A publisher that holds the fence of a new branch; what it did is in `published`, `superseded` and `failures`. */
async function publisherOn(
  wrap: (hub: Hub) => Hub,
  change: Partial<PublisherStart> = {},
): Promise<{
  publisher: CheckpointPublisher;
  published: string[];
  superseded: string[];
  failures: unknown[];
}> {
  branches += 1;
  const hub = connectHub({ endpoint: server.url, accessToken: TOKEN });
  const repo: RepoRef = { type: 'model', repo: RepoId.parse(`team/branch-${branches}`) };
  await hub.ensureRepo(repo);
  const files = [{ path: 'fence.json', content: '{"format":1,"token":1,"owner":"us"}' }];
  const head = await hub.commit({ repo, message: 'Fence', files });
  const attempt = {
    ...{ token: 1, owner: 'us', runId: 'run', startedAt: 0, resumedFrom: 0, reached: 0 },
    ...{ checkpoints: 0, packs: 0, gpuSeconds: 0, failure: null, damaged: [], accepted: [] },
    ended: 'running' as const,
  };
  const ledger = beginAttempt(emptyLedger('main'), attempt, { step: null, gpuSeconds: null, packs: null });
  const seen = { published: [] as string[], superseded: [] as string[], failures: [] as unknown[] };
  const publisher = new CheckpointPublisher({
    ...{ branch: { hub: wrap(hub), repo, name: 'main' }, token: 1, head, ledger },
    ...{ checkpoints: [], damagedFolders: [], keep: { newest: 3, every: null }, squashEvery: 100 },
    ...{ minGapMs: 0, unsavedLimitMs: 60_000, metrics: () => [], log: () => undefined },
    standing: () => ({ step: 3, gpuSeconds: 1 }),
    onPublished: (save) => seen.published.push(basename(save.path)),
    onSuperseded: (save) => seen.superseded.push(basename(save.path)),
    onFailure: (error) => seen.failures.push(error),
    ...change,
  });
  return { publisher, ...seen };
}

const STOPPED = { ended: 'stopped' as const, failure: null, result: null };

it('gives the Hub the newest checkpoint of those that came while it was busy, and only that', async () => {
  let letGo: () => void = () => undefined;
  const busy = new Promise<void>((resolve) => {
    letGo = resolve;
  });
  const { publisher, published, superseded, failures } = await publisherOn((hub) => ({
    ...hub,
    commit: async (request) => {
      await busy;
      return hub.commit(request);
    },
  }));
  for (const step of [1, 2, 3]) publisher.offer(await saved(step));
  letGo();
  await publisher.settle(STOPPED, 60_000);
  expect(published).toEqual(['step-00000001', 'step-00000003']);
  expect(superseded).toEqual(['step-00000002']);
  expect(failures).toEqual([]);
});

describe('a Hub that takes nothing for a while', () => {
  /** Time that passes only when it is told to, and a Hub that is away during the given spans of it. */
  function outages(...spans: [from: number, to: number][]) {
    const time = { at: 0 };
    const clock: Clock = {
      now: () => time.at,
      sleep: async () => {
        time.at += 10_000;
      },
    };
    const wrap = (hub: Hub): Hub => ({
      ...hub,
      commit: async (request) => {
        if (spans.some(([from, to]) => time.at >= from && time.at < to))
          throw new PipelineError('HubUnavailable', 'expected the Hub to answer, got 503');
        return hub.commit(request);
      },
    });
    return { time, clock, wrap };
  }

  it('twice, each time for less than the limit, loses no checkpoint and stops nothing', async () => {
    const { time, clock, wrap } = outages([0, 50_000], [55_000, 105_000]);
    const { publisher, published, failures } = await publisherOn(wrap, { clock });
    publisher.offer(await saved(1));
    while (publisher.busy) await new Promise((resolve) => setImmediate(resolve));
    expect(published).toEqual(['step-00000001']);
    time.at = Math.max(time.at, 55_000);
    publisher.offer(await saved(2));
    while (publisher.busy) await new Promise((resolve) => setImmediate(resolve));
    await publisher.settle(STOPPED, 60_000);
    expect(failures).toEqual([]);
    expect(published).toEqual(['step-00000001', 'step-00000002']);
  });

  it.each([
    ['at the limit is waited for', 60_000, 1],
    ['beyond the limit ends the training', 60_001, 0],
  ] as const)('%s', async (_, away, count) => {
    // One try at the outage's begin, and one at its end.
    const { time, clock, wrap } = outages([0, 1], [away, away + 1]);
    clock.sleep = async () => {
      time.at = time.at < away ? away : away + 1;
    };
    const { publisher, published, failures } = await publisherOn(wrap, { clock });
    publisher.offer(await saved(1));
    while (publisher.busy) await new Promise((resolve) => setImmediate(resolve));
    expect(published).toHaveLength(count);
    expect(failures).toHaveLength(1 - count);
    if (count === 0)
      expect(failures[0]).toMatchObject({
        kind: 'HubUnavailable',
        message: expect.stringContaining('checkpoints.unsavedMinutes'),
      });
  });

  it('and refuses what it is given is not asked again', async () => {
    let asked = 0;
    const { publisher, failures } = await publisherOn((hub) => ({
      ...hub,
      commit: async () => {
        asked += 1;
        throw new PipelineError('HubRefused', 'expected a token that may write, got 403');
      },
    }));
    publisher.offer(await saved(1));
    await expect(publisher.settle(STOPPED, 60_000)).rejects.toMatchObject({ kind: 'HubRefused' });
    expect(asked).toBe(1);
    expect(failures).toHaveLength(1);
  });
});
