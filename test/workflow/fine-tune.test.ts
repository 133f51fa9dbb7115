import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { CancelledFailure } from '@temporalio/activity';
import { WorkflowFailedError, type WorkflowHandle } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import type { WorkflowBundleWithSourceMap } from '@temporalio/worker';
import type { ReleasedVariant } from '../../src/domain/config/variants.ts';
import { RepoId } from '../../src/domain/refs.ts';
import type { GpuActivities, PipelineActivities, TrainRequest } from '../../src/domain/run/activities.ts';
import type { RunResult, RunStatus, StudyStatus } from '../../src/domain/run/run-result.ts';
import { bundle, timeSkipping, withWorkers } from './environment.ts';
import { activities, commit, contextOf, file, gate, released, stopped, trainingOf } from './fakes.ts';

let environment: TestWorkflowEnvironment;
let workflowBundle: WorkflowBundleWithSourceMap;
beforeAll(async () => {
  [environment, workflowBundle] = await Promise.all([timeSkipping(), bundle()]);
}, 120_000);
afterAll(async () => {
  await environment?.teardown();
});

let ids = 0;
function fineTune<T>(
  input: unknown,
  changes: Partial<PipelineActivities & GpuActivities>,
  work: (handle: WorkflowHandle) => Promise<T>,
  calls: string[] = [],
): Promise<T> {
  ids += 1;
  const workflowId = `run-${ids}`;
  return withWorkers({ environment, workflowBundle, activities: activities(changes, calls) }, async () =>
    work(
      await environment.client.workflow.start('fineTune', {
        taskQueue: 'pipeline',
        workflowId,
        args: [input],
      }),
    ),
  );
}

async function failure(handle: WorkflowHandle): Promise<ApplicationFailure> {
  try {
    await handle.result();
  } catch (error) {
    if (error instanceof WorkflowFailedError && error.cause instanceof ApplicationFailure) return error.cause;
    throw error;
  }
  throw new Error('the workflow did not fail');
}

const fixed = { tuning: { strategy: 'fixed' } };

describe('fineTune', () => {
  it('runs every phase in order and returns references', async () => {
    const calls: string[] = [];
    const result = await fineTune({}, {}, async (h) => (await h.result()) as RunResult, calls);
    const once = calls.filter((name, i) => name !== 'document' && calls.indexOf(name) === i);
    expect(once).toEqual([
      'openRun',
      'planPreparation',
      'analyze',
      'openStudy',
      'suggest',
      'train',
      'recordStudy',
      'chooseCheckpoint',
      'evaluate',
      'judge',
      'publishRelease',
      'tryRelease',
      'deploy',
    ]);
    expect(calls.at(-1)).toBe('document');
    expect(result.verdict).toBe('PASS');
    expect(result.release?.release.tag).toBe('v1');
    expect(result.phases.map((p) => p.status)).toEqual(Array.from({ length: 8 }, () => 'done'));
  });

  it('keeps the report up to date after every phase, and a report that cannot be written stops nothing', async () => {
    const phasesDone: number[] = [];
    const result = await fineTune(
      {},
      {
        document: async ({ summary }) => {
          phasesDone.push(summary.phases.filter((p) => p.status === 'done').length);
          if (phasesDone.length === 3) throw ApplicationFailure.nonRetryable('no paper left', 'BadData');
          return {
            report: file('report/index.html'),
            record: { type: 'dataset', repo: released.release.repo, commit },
          };
        },
      },
      async (h) => (await h.result()) as RunResult,
    );
    expect(result.verdict).toBe('PASS');
    expect(phasesDone).toHaveLength(7);
    expect([...phasesDone].sort((a, b) => a - b)).toEqual(phasesDone);
    expect(phasesDone.at(-1)).toBe(7);
  });

  it('settles a deployment that failed half-way before the run fails', async () => {
    const calls: string[] = [];
    const reasons: string[] = [];
    const failed = fineTune(
      {},
      {
        deploy: async () => {
          throw ApplicationFailure.nonRetryable('blank picture', 'Unhealthy');
        },
        settleDeploy: async ({ reason }) => {
          reasons.push(reason);
          return 'v2 was taken back';
        },
      },
      (h) => h.result(),
      calls,
    );
    await expect(failed).rejects.toMatchObject({ cause: { type: 'Unhealthy', message: 'blank picture' } });
    expect(reasons).toEqual(['blank picture']);
    expect(calls.at(-1)).toBe('document');
  });

  it('makes the whole transformers that were asked for before it publishes, and the release names them', async () => {
    const calls: string[] = [];
    const variant: ReleasedVariant = {
      ...{ kind: 'int8', repo: RepoId.parse('plein-air/impressionist-int8'), commit, files: [] },
    };
    const named: unknown[] = [];
    await fineTune(
      { deployment: { variants: ['int8'] } },
      {
        makeVariants: async () => [variant],
        publishRelease: async ({ variants }) => {
          named.push(variants);
          return { ...released.release, cached: false };
        },
        deploy: async ({ variants }) => {
          named.push(variants);
          return released;
        },
      },
      (h) => h.result(),
      calls,
    );
    expect(named).toEqual([[variant], [variant]]);
    const late = calls.filter((name) => ['judge', 'makeVariants', 'publishRelease', 'deploy'].includes(name));
    expect(late).toEqual(['judge', 'makeVariants', 'publishRelease', 'deploy']);
  });

  it('does not touch production when the candidate does not paint what was judged', async () => {
    const calls: string[] = [];
    const failed = fineTune(
      {},
      {
        tryRelease: async () => {
          throw ApplicationFailure.nonRetryable('another picture', 'Unhealthy');
        },
      },
      (h) => h.result(),
      calls,
    );
    await expect(failed).rejects.toMatchObject({ cause: { type: 'Unhealthy' } });
    expect(calls).not.toContain('deploy');
  });

  it('trains the chosen trial’s parameters to the end, after one short training per trial', async () => {
    const seen: TrainRequest[] = [];
    const losses = [0.5, 0.3, 0.4];
    await fineTune(
      { tuning: { trials: 3, seeds: 0 } },
      {
        train: async (p) => {
          seen.push(p);
          return trainingOf({ heldOutLoss: losses[seen.length - 1] ?? 0.2 });
        },
      },
      (h) => h.result(),
    );
    expect(seen.map((p) => p.branch)).toEqual(['trial-0', 'trial-1', 'trial-2', 'main']);
    expect(seen.at(-1)?.parameters).toEqual(seen[1]?.parameters);
    expect(seen.at(-1)?.stopAtStep).toBeNull();
    expect(seen.at(-1)?.continueFrom).toBe('trial-1');
  });

  it('goes on after a trial that diverged', async () => {
    let n = 0;
    const result = await fineTune(
      { tuning: { trials: 2, seeds: 0 } },
      {
        train: async () => {
          n += 1;
          if (n === 1)
            throw ApplicationFailure.create({ type: 'Diverged', message: 'NaN', nonRetryable: true });
          return trainingOf();
        },
      },
      async (h) => (await h.result()) as RunResult,
    );
    expect(result.verdict).toBe('PASS');
    expect(n).toBe(3);
  });

  it.each(['FAIL', 'INCONCLUSIVE'] as const)('releases nothing on %s, and documents it', async (verdict) => {
    const calls: string[] = [];
    const result = await fineTune(
      fixed,
      { judge: async () => gate(verdict) },
      async (h) => (await h.result()) as RunResult,
      calls,
    );
    expect(calls).not.toContain('deploy');
    expect(calls).toContain('document');
    expect(result.release).toBeNull();
  });

  it('names every offending field of a bad input and starts nothing', async () => {
    const calls: string[] = [];
    const input = { profil: 'tiny', training: { rank: 0, steps: 'many' }, dataset: { color: 1 } };
    const error = await fineTune(input, {}, failure, calls);
    expect(error.type).toBe('InvalidInput');
    for (const field of ['profil', 'training.rank', 'training.steps', 'dataset.color'])
      expect(error.message).toContain(field);
    expect(calls).toEqual([]);
  });

  it('stops before a GPU is touched when the analysis blocks', async () => {
    const calls: string[] = [];
    const blocked: Partial<PipelineActivities> = {
      analyze: async () => ({
        verdict: 'blocked',
        reasons: ['too few images'],
        record: (await import('./fakes.ts')).file('x'),
        cached: false,
      }),
    };
    const error = await fineTune(fixed, blocked, failure, calls);
    expect(error.message).toContain('too few images');
    expect(calls).not.toContain('train');
    expect(calls).toContain('document');
  });

  it('waits for a person where the gate asks for one, and records who approved', async () => {
    const input = { ...fixed, gate: { requireApproval: true } };
    const result = await fineTune(input, {}, async (handle) => {
      await reached(handle, (s) => s.state === 'waiting-for-approval');
      await handle.executeUpdate('approve', { args: [{ by: 'Berthe', reason: 'the light is right' }] });
      return (await handle.result()) as RunResult;
    });
    expect(result.approval).toMatchObject({ decision: 'approved', by: 'Berthe' });
    expect(result.release).not.toBeNull();
  });

  it('releases nothing when nobody approves in time', async () => {
    const input = { ...fixed, gate: { requireApproval: true, approvalTimeoutHours: 48 } };
    const result = await fineTune(input, {}, async (h) => (await h.result()) as RunResult);
    expect(result.approval).toBeNull();
    expect(result.release).toBeNull();
  });

  it('releases nothing when a person rejects by signal', async () => {
    const input = { ...fixed, gate: { requireApproval: true } };
    const result = await fineTune(input, {}, async (handle) => {
      await reached(handle, (s) => s.state === 'waiting-for-approval');
      await handle.signal('reject', { by: 'Edgar', reason: 'too blue' });
      return (await handle.result()) as RunResult;
    });
    expect(result.approval?.decision).toBe('rejected');
    expect(result.release).toBeNull();
  });

  it('refuses an approval while there is nothing to approve, and says so', async () => {
    const waiting = gateOpen();
    await fineTune(fixed, { evaluate: waiting.activity }, async (handle) => {
      await waiting.started;
      const update = handle.executeUpdate('approve', { args: [{ by: 'Claude', reason: 'now' }] });
      await expect(update).rejects.toMatchObject({
        cause: { message: expect.stringContaining('nothing to decide') },
      });
      waiting.open();
      await handle.result();
    });
  });

  it('tells in its status what its GPU work reported, and that it waits for a GPU before', async () => {
    const training = gateOpen();
    const seen = await fineTune(
      fixed,
      { train: () => training.activity().then(() => trainingOf()) },
      async (handle) => {
        await training.started;
        const before = await handle.query<RunStatus>('status');
        const { runId } = await handle.describe();
        const progress = {
          stage: 'train',
          done: 120,
          total: 300,
          etaSeconds: 18,
          metrics: { step: 120, preemptions: 1, repeatedSteps: 20, runGpuSeconds: 360 },
          lastCheckpoint: { step: 100, commit: 'c'.repeat(40), at: 5 },
        };
        const report = {
          runId,
          activity: 'train',
          branch: 'main',
          attempt: 2,
          worker: 'gpu-2',
          at: 9,
          progress,
        };
        await handle.signal('progress', { ...report, runId: 'an earlier run', attempt: 9 });
        await handle.signal('progress', { nonsense: true });
        await handle.signal('progress', report);
        await reached(handle, (s) => s.gpu?.attempt === 2);
        const after = await handle.query<RunStatus>('status');
        training.open();
        await handle.result();
        return { before, after };
      },
    );
    expect(seen.before.gpu?.waitingForGpuSince).toEqual(expect.any(Number));
    expect(seen.after.gpu).toMatchObject({
      waitingForGpuSince: null,
      step: 120,
      steps: 300,
      etaSeconds: 18,
      preemptions: 1,
      repeatedSteps: 20,
      gpuHoursLeft: 0.9,
      lastCheckpoint: { step: 100 },
    });
  });

  it('tells people where a webhook is configured, and goes on when it cannot', async () => {
    const told: string[] = [];
    const operations = { searchAttributes: false, notifications: true };
    const result = await fineTune(
      fixed,
      {
        openRun: async ({ config, workflowId }) => ({ ...contextOf(config, workflowId), operations }),
        notify: async ({ event }) => {
          told.push(event);
          throw new Error('the webhook is down');
        },
      },
      async (h) => (await h.result()) as RunResult,
    );
    expect(result.release).not.toBeNull();
    expect(told).toContain('gate-verdict');
  });

  it('tells the verdict when a person has to decide against it, and what came of it', async () => {
    const told: Record<string, string> = {};
    const operations = { searchAttributes: false, notifications: true };
    const result = await fineTune(
      { ...fixed, gate: { allowOverride: true } },
      {
        openRun: async ({ config, workflowId }) => ({ ...contextOf(config, workflowId), operations }),
        judge: async () => ({ ...gate('FAIL'), reasons: ['PASS a: fine.', 'FAIL b: too low.'] }),
        notify: async ({ event, text }) => {
          told[event] = text;
        },
      },
      async (handle) => {
        const ask = { args: [{ by: 'Ada', reason: 'I looked' }] as [unknown] };
        for (;;) {
          const { state } = await handle.query<RunStatus>('status');
          if (state === 'waiting-for-approval') break;
        }
        await handle.executeUpdate('approve', ask);
        return (await handle.result()) as RunResult;
      },
    );
    expect(result.release).not.toBeNull();
    expect(told['needs-approval']).toMatch(/The gate said FAIL.*\nFAIL b: too low\.\n.*approve/);
    expect(told['needs-approval']).not.toMatch(/passed|PASS a/);
    expect(told.finished).toMatch(/^Released against the gate\. .*Ada released/);
  });

  it('keeps what surrounds a run out of what its phases see, and so out of records and releases', async () => {
    const seen: object[] = [];
    const operations = { searchAttributes: false, notifications: false };
    await fineTune(
      fixed,
      {
        openRun: async ({ config, workflowId }) => ({ ...contextOf(config, workflowId), operations }),
        train: async ({ context }) => {
          seen.push(context);
          return trainingOf();
        },
      },
      (h) => h.result(),
    );
    expect(seen).toHaveLength(1);
    expect(seen[0]).not.toHaveProperty('operations');
  });

  it('pauses at a checkpoint and goes on where it stopped', async () => {
    let calls = 0;
    const result = await fineTune(
      fixed,
      {
        train: async () => {
          calls += 1;
          return calls === 1
            ? trainingOf({ outcome: await stopped(), step: 120 })
            : trainingOf({ preemptions: 0 });
        },
      },
      async (handle) => {
        await reached(handle, (s) => s.phase === 'train' && calls === 1);
        await handle.signal('pause');
        await reached(handle, (s) => s.state === 'paused');
        await handle.signal('resume');
        return (await handle.result()) as RunResult;
      },
    );
    expect(calls).toBe(2);
    expect(result.training?.step).toBe(300);
  });

  it('ends as BudgetExhausted, with its checkpoint saved, when the fleet may spend no more on it', async () => {
    let saved = false;
    const error = await fineTune(
      fixed,
      {
        train: async () => {
          const outcome = await stopped();
          saved = true;
          return trainingOf({ outcome, step: 120 });
        },
      },
      async (handle) => {
        await reached(handle, (s) => s.phase === 'train' && s.gpu !== null);
        await handle.signal('budgetSpent', '3.00 of 3.00 are spent for run evening (budget.money)');
        return failure(handle);
      },
    );
    expect(saved).toBe(true);
    expect(error.type).toBe('BudgetExhausted');
    expect(error.message).toMatch(/budget.money.*saved.*resume/);
  });

  it('goes on as well where the resume comes before the training has stopped for the pause', async () => {
    let calls = 0;
    let letGo: () => void = () => undefined;
    const resumed = new Promise<void>((resolve) => {
      letGo = resolve;
    });
    const result = await fineTune(
      fixed,
      {
        train: async () => {
          calls += 1;
          if (calls > 1) return trainingOf();
          await stopped();
          await resumed;
          // What a training throws that was asked to stop and has saved.
          throw new CancelledFailure('saved');
        },
      },
      async (handle) => {
        await reached(handle, (s) => s.phase === 'train' && calls === 1);
        await handle.signal('pause');
        await handle.signal('resume');
        letGo();
        return (await handle.result()) as RunResult;
      },
    );
    expect(calls).toBe(2);
    expect(result.training?.step).toBe(300);
  });

  it('holds its study, too, and lets it go on', async () => {
    const stretches: string[] = [];
    const result = await fineTune(
      { tuning: { strategy: 'random', trials: 2, seeds: 0, parallel: 1 } },
      {
        train: async ({ branch }) => {
          stretches.push(branch);
          return stretches.length === 1 ? trainingOf({ outcome: await stopped(), step: 1 }) : trainingOf();
        },
      },
      async (handle) => {
        await reached(handle, (s) => s.phase === 'tune' && stretches.length === 1);
        await handle.signal('pause');
        await reached(handle, (s) => s.state === 'paused');
        const study = environment.client.workflow.getHandle(`${handle.workflowId}-tune`);
        await until(async () => (await study.query<StudyStatus>('status')).paused);
        await handle.signal('resume');
        return (await handle.result()) as RunResult;
      },
    );
    expect(stretches).toEqual(['trial-0', 'trial-0', 'trial-1', 'main']);
    expect(result.verdict).toBe('PASS');
  });

  it('lets the trainer checkpoint before it ends as cancelled, and documents what there is', async () => {
    const calls: string[] = [];
    let checkpointed = false;
    await fineTune(
      fixed,
      {
        train: async () => {
          await stopped();
          checkpointed = true;
          throw new CancelledFailure('checkpoint is on the Hub');
        },
      },
      async (handle) => {
        await reached(handle, (s) => s.phase === 'train');
        while (!calls.includes('train')) await environment.sleep('1s');
        await handle.cancel();
        await expect(handle.result()).rejects.toThrow(/cancel/i);
        expect((await handle.describe()).status.name).toBe('CANCELLED');
      },
      calls,
    );
    expect(checkpointed).toBe(true);
    expect(calls).toContain('document');
  });
});

/** An activity that is held until the test opens it. */
function gateOpen() {
  let open: () => void = () => undefined;
  let start: () => void = () => undefined;
  const held = new Promise<void>((resolve) => {
    open = resolve;
  });
  const started = new Promise<void>((resolve) => {
    start = resolve;
  });
  return {
    started,
    open: () => open(),
    activity: async () => {
      start();
      await held;
      return (await import('./fakes.ts')).evaluation;
    },
  };
}

/** Polls the run's own status; real time, because the test server's clock only skips while a result is awaited. */
function reached(handle: WorkflowHandle, test: (status: RunStatus) => boolean): Promise<void> {
  return until(async () => test(await handle.query<RunStatus>('status')));
}

async function until(test: () => Promise<boolean>): Promise<void> {
  for (let i = 0; i < 600; i++) {
    if (await test()) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error('the run did not get there');
}
