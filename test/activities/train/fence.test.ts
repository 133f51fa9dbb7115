import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { ActivityContext } from '../../../src/activities/support/activity-context.ts';
import { takeFence } from '../../../src/activities/train/fence.ts';
import type { TrainPlan } from '../../../src/activities/train/plan.ts';
import { type CommitRef, RepoId, type RepoRef, Sha256 } from '../../../src/domain/refs.ts';
import { emptyLedger } from '../../../src/domain/training/ledger.ts';
import { connectHub } from '../../../src/hub/client.ts';
import type { Hub } from '../../../src/hub/hub.ts';
import { type HubInTest, startHubInTest, TOKEN } from '../../local-hub/hub-in-test.ts';

const KEY = Sha256.parse('a'.repeat(64));
const OTHER = Sha256.parse('b'.repeat(64));

let server: HubInTest;
let hub: Hub;
let base: CommitRef;
let count = 0;

beforeAll(async () => {
  server = await startHubInTest();
  hub = connectHub({ endpoint: server.url, accessToken: TOKEN });
  const repo: RepoRef = { type: 'model', repo: RepoId.parse('team/base') };
  await hub.ensureRepo(repo);
  const files = [{ path: 'README.md', content: '---\nlicense: apache-2.0\n---\n' }];
  base = { ...repo, commit: await hub.commit({ repo, message: 'Base', files }) };
});
afterAll(() => server.stop());

/** A plan on a repository of its own; what the fence reads of it, and no more. */
async function planned(): Promise<TrainPlan> {
  count += 1;
  const repo: RepoRef = { type: 'model', repo: RepoId.parse(`team/fence-${count}`) };
  await hub.ensureRepo(repo);
  return {
    request: { context: { run: 'lily', base } },
    branch: { hub, repo, name: 'main' },
    key: KEY,
  } as unknown as TrainPlan;
}

function activityOf(attempt: number, change: Partial<ActivityContext['info']> = {}): ActivityContext {
  return {
    info: {
      ...{ workflowExecution: { workflowId: 'wf', runId: 'run' }, activityId: 'train', attempt },
      ...change,
    },
    heartbeat: () => undefined,
    cancellationSignal: new AbortController().signal,
  };
}

const put = (plan: TrainPlan, files: Record<string, unknown>) =>
  hub.commit({
    ...{ repo: plan.branch.repo, message: 'Put' },
    files: Object.entries(files).map(([path, content]) => ({ path, content: JSON.stringify(content) })),
  });
const heldBy = (plan: TrainPlan, token: number, owner: string) =>
  put(plan, { 'fence.json': { format: 1, token, owner } });
const readJson = async (plan: TrainPlan, path: string) =>
  JSON.parse(String(await hub.read(plan.branch.repo, 'main', path)));

describe('taking the fence', () => {
  it('of a branch that nobody has worked on gives token 1, the license’s notices with it', async () => {
    const plan = await planned();
    expect(await takeFence({ plan, activity: activityOf(1), machine: 'gpu@one' })).toMatchObject({
      token: 1,
      checkpoints: [],
      ledger: { attempts: [{ token: 1, machine: 'gpu@one', ended: 'running', resumedFrom: 0 }] },
    });
    expect(await readJson(plan, 'fence.json')).toEqual({
      format: 1,
      token: 1,
      owner: 'wf run activity train attempt 1',
    });
    const files = await hub.list(plan.branch.repo, 'main');
    expect(files.map(({ path }) => path)).toEqual(expect.arrayContaining(['NOTICE', 'README.md']));
  });

  it.each([
    ['an earlier attempt at the same activity', 'wf run activity train attempt 1'],
    ['the same attempt, run twice', 'wf run activity train attempt 2'],
    ['a later attempt at another activity', 'wf run activity train-2 attempt 9'],
    ['a later attempt of another execution of the run', 'wf other activity train attempt 9'],
    ['a later attempt of another workflow', 'wf2 run activity train attempt 9'],
  ])('from %s gives the next token', async (_, owner) => {
    const plan = await planned();
    await heldBy(plan, 7, owner);
    expect(await takeFence({ plan, activity: activityOf(2) })).toMatchObject({ token: 8 });
    expect(await readJson(plan, 'fence.json')).toMatchObject({ token: 8 });
  });

  it.each([
    [1, 2],
    [9, 10],
  ])('by attempt %i is refused once attempt %i has it, and changes nothing', async (slow, fast) => {
    const plan = await planned();
    const head = await heldBy(plan, 3, `wf run activity train attempt ${fast}`);
    await expect(takeFence({ plan, activity: activityOf(slow) })).rejects.toMatchObject({
      kind: 'Fenced',
      message: expect.stringContaining(`token 3 of wf run activity train attempt ${fast}`),
    });
    expect(await hub.resolve(plan.branch.repo, 'main')).toBe(head);
  });

  it('closes the attempt that vanished with what this one’s heartbeat details say of it', async () => {
    const plan = await planned();
    await takeFence({ plan, activity: activityOf(1) });
    const details = { metrics: { step: 41.6, gpuSeconds: 12, packs: 2 } };
    const second = await takeFence({ plan, activity: activityOf(2, { heartbeatDetails: details }) });
    expect(second).toMatchObject({
      token: 2,
      ledger: {
        attempts: [
          { ended: 'preempted', reached: 42, gpuSeconds: 12, packs: 2 },
          { ended: 'running', token: 2 },
        ],
      },
    });
    const third = await takeFence({ plan, activity: activityOf(3, { heartbeatDetails: 'nonsense' }) });
    expect(third).toMatchObject({ ledger: { attempts: [{}, { ended: 'preempted', reached: 0 }, {}] } });
  });

  it('answers with the result where the branch has exactly this one, and trains anew where it has not', async () => {
    const result = (key: Sha256, path: string) => ({
      ...{ key, step: 10, steps: 10, path, adapterSha256: OTHER, heldOutLoss: 0.5, trainLoss: 0.4 },
    });
    const folder = 'checkpoints/step-00000010';
    const withResult = async (of: object) => {
      const plan = await planned();
      await put(plan, {
        'ledger.json': { ...emptyLedger('main'), result: of },
        [`${folder}/manifest.json`]: { format: 1 },
      });
      return takeFence({ plan, activity: activityOf(1) });
    };
    expect(await withResult(result(KEY, folder))).toMatchObject({ result: { path: folder, step: 10 } });
    expect(await withResult(result(OTHER, folder))).toMatchObject({ token: 1, ledger: { result: null } });
    const gone = result(KEY, 'checkpoints/step-00000009');
    expect(await withResult(gone)).toMatchObject({ token: 1, ledger: { result: null } });
  });

  it('passes over corrupt checkpoints, names them, and has their folders deleted', async () => {
    const plan = await planned();
    await put(plan, {
      'checkpoints/step-00000010/manifest.json': { format: 1 },
      'checkpoints/step-00000020/manifest.json': 'torn',
    });
    const taken = await takeFence({ plan, activity: activityOf(1) });
    expect(taken).toMatchObject({
      checkpoints: [],
      damagedFolders: ['checkpoints/step-00000020', 'checkpoints/step-00000010'],
      ledger: { attempts: [{ resumedFrom: 0, damaged: [expect.any(String), expect.any(String)] }] },
    });
  });

  it('of a branch that was deleted meanwhile is tried again later', async () => {
    const plan = await planned();
    const missing = { ...plan, branch: { ...plan.branch, name: 'trial-0' } };
    await expect(takeFence({ plan: missing, activity: activityOf(1) })).rejects.toMatchObject({
      kind: 'HubUnavailable',
      message: expect.stringContaining('expected branch trial-0'),
    });
  });
});
