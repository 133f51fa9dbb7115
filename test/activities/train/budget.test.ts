import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { overBudget, refuseHopeless, spentBefore } from '../../../src/activities/train/budget.ts';
import type { TrainPlan } from '../../../src/activities/train/plan.ts';
import { RepoId, type RepoRef } from '../../../src/domain/refs.ts';
import {
  type AttemptRecord,
  beginAttempt,
  emptyLedger,
  type TrainingLedger,
} from '../../../src/domain/training/ledger.ts';
import { connectHub } from '../../../src/hub/client.ts';
import type { Hub } from '../../../src/hub/hub.ts';
import { type HubInTest, startHubInTest, TOKEN } from '../../local-hub/hub-in-test.ts';

const REPO: RepoRef = { type: 'model', repo: RepoId.parse('team/budget-checkpoints') };
const BUDGET = { gpuHours: 2, wallClockHours: 3, attemptsWithoutProgress: 3 };

let server: HubInTest;
let hub: Hub;

beforeAll(async () => {
  server = await startHubInTest();
  hub = connectHub({ endpoint: server.url, accessToken: TOKEN });
});
afterAll(() => server.stop());

/** The part of a plan that budgets read. */
const planOn = (branch: string, change: Partial<typeof BUDGET> = {}): TrainPlan =>
  ({
    request: { context: { run: 'lily' } },
    branch: { hub, repo: REPO, name: branch },
    budget: { ...BUDGET, ...change },
    lastStep: 100,
  }) as unknown as TrainPlan;

const attempt = (token: number, change: Partial<AttemptRecord> = {}): AttemptRecord => ({
  ...{ token, owner: 'us', runId: 'run', startedAt: 0, resumedFrom: 0, reached: 0, checkpoints: 0, packs: 0 },
  ...{ gpuSeconds: 0, ended: 'preempted', failure: null, damaged: [], accepted: [] },
  ...change,
});
const ledgerOf = (branch: string, ...attempts: AttemptRecord[]): TrainingLedger => ({
  ...emptyLedger(branch),
  attempts,
});
const publish = (branch: string, ledger: unknown) =>
  hub.commit({
    ...{ repo: REPO, branch, message: 'Ledger' },
    files: [{ path: 'ledger.json', content: typeof ledger === 'string' ? ledger : JSON.stringify(ledger) }],
  });

describe('seconds that a run has spent before an attempt', () => {
  it('are its own branch once, each other branch once, and none of a branch that nobody trained on', async () => {
    await hub.ensureRepo(REPO);
    const main = ledgerOf('main', attempt(1, { gpuSeconds: 100 }), attempt(2, { gpuSeconds: 20 }));
    const head = await publish('main', main);
    // A new branch begins as a copy of main, with main's ledger in it.
    for (const branch of ['trial-0', 'trial-1', 'trial-2']) await hub.ensureBranch(REPO, branch, head);
    await publish('trial-0', ledgerOf('trial-0', attempt(1, { gpuSeconds: 7 })));
    await publish('trial-2', 'not JSON');
    expect(await spentBefore(planOn('main'), main)).toBe(127);
    const trial = ledgerOf('trial-0', attempt(1, { gpuSeconds: 7 }), attempt(2));
    expect(await spentBefore(planOn('trial-0'), trial)).toBe(127);
    expect(await spentBefore(planOn('trial-1'), emptyLedger('trial-1'))).toBe(127);
  });
});

describe('a budget', () => {
  const spent = (gpuSeconds: number, wallSeconds: number) =>
    overBudget(planOn('main'), { gpuSeconds, wallSeconds }, 40);

  it('is used up at its bound, not one second before', () => {
    expect(spent(7199, 10_799)).toBeNull();
    expect(spent(7200, 0)).toMatchObject({
      kind: 'BudgetExhausted',
      message: expect.stringContaining(
        'at most 2 GPU hours (budget.gpuHours), got 2.00 at step 40 of 100. What is trained is saved in team/budget-checkpoints',
      ),
    });
    expect(spent(0, 10_800)).toMatchObject({
      kind: 'BudgetExhausted',
      message: expect.stringContaining('at most 3 hours in this phase (budget.wallClockHours), got 3.00'),
    });
  });
});

describe('attempts that leave nothing behind', () => {
  const seen = { step: null, gpuSeconds: null, packs: null };
  const endedAfter = (fruitless: number) => {
    const before = Array.from({ length: fruitless }, (_, index) => attempt(index + 1));
    return beginAttempt(ledgerOf('main', ...before), attempt(fruitless + 1, { ended: 'running' }), seen);
  };

  it('are allowed up to the limit; the one after it is refused with what to change', () => {
    expect(() => refuseHopeless(planOn('main'), endedAfter(2), 'run')).not.toThrow();
    expect(() => refuseHopeless(planOn('main'), endedAfter(3), 'run')).toThrow(
      expect.objectContaining({
        kind: 'BudgetExhausted',
        message: expect.stringContaining('got none in 3: lower training.checkpointEvery'),
      }),
    );
  });

  it('of another execution of the run are forgiven', () => {
    expect(() => refuseHopeless(planOn('main'), endedAfter(3), 'the next execution')).not.toThrow();
  });
});
