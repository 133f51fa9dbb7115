import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { WorkflowHandle } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import type { WorkflowBundleWithSourceMap } from '@temporalio/worker';
import type { GpuActivities, PipelineActivities, TrainRequest } from '../../src/domain/run/activities.ts';
import type { StudyStatus } from '../../src/domain/run/run-result.ts';
import type { Trial } from '../../src/domain/tuning/search-space.ts';
import { STRETCHES_PER_RUN } from '../../src/domain/tuning/study.ts';
import type { StudyResult } from '../../src/domain/tuning/study-result.ts';
import { bundle, timeSkipping, withWorkers } from './environment.ts';
import { activities, stopped, trainingOf } from './fakes.ts';

let environment: TestWorkflowEnvironment;
let workflowBundle: WorkflowBundleWithSourceMap;
beforeAll(async () => {
  [environment, workflowBundle] = await Promise.all([timeSkipping(), bundle()]);
}, 120_000);
afterAll(async () => {
  await environment?.teardown();
});

type Changes = Partial<PipelineActivities & GpuActivities>;

let ids = 0;
function tune<T>(
  tuning: object,
  changes: Changes,
  work: (handle: WorkflowHandle) => Promise<T>,
  calls: string[] = [],
): Promise<T> {
  ids += 1;
  const workflowId = `study-${ids}`;
  const input = { profile: 'tiny', tuning: { seeds: 0, patience: null, ...tuning } };
  return withWorkers({ environment, workflowBundle, activities: activities(changes, calls) }, async () =>
    work(
      await environment.client.workflow.start('tune', { taskQueue: 'pipeline', workflowId, args: [input] }),
    ),
  );
}

const done = async (handle: WorkflowHandle) => (await handle.result()) as StudyResult;

/** Loss of a trial by its number, as the branch says it. */
function lossOf(branch: string): number {
  const number = Number(/^trial-(\d+)/.exec(branch)?.[1]);
  return ((number * 7) % 11) / 10 + 0.1;
}

const trained = async ({ branch, stopAtStep }: TrainRequest) =>
  trainingOf({ step: stopAtStep ?? 300, heldOutLoss: lossOf(branch), gpuSeconds: stopAtStep ?? 300 });

describe('tune', () => {
  it('trains what it is told to, pauses trials at rungs and promotes them on their own branches', async () => {
    const seen: [string, number | null][] = [];
    const asked: Trial[][] = [];
    const moves = [
      { next: 'trial', number: 0, toStep: 10 },
      { next: 'trial', number: 1, toStep: 10 },
      { next: 'promote', number: 0, toStep: 40 },
      { next: 'stop', reason: 'nothing is left' },
    ] as const;
    const result = await tune(
      { strategy: 'random', pruner: 'asha', steps: 40, parallel: 1 },
      {
        suggest: async ({ trials }) => {
          asked.push(trials);
          const move = moves[asked.length - 1] ?? moves[3];
          return {
            number: null,
            toStep: null,
            reason: '',
            ...move,
            parameters: move.next === 'trial' ? { rank: 8 } : null,
          };
        },
        train: async (p) => {
          seen.push([p.branch, p.stopAtStep]);
          return trained(p);
        },
      },
      done,
    );
    expect(seen).toEqual([
      ['trial-0', 10],
      ['trial-1', 10],
      ['trial-0', 40],
    ]);
    expect(asked.map((trials) => trials.map((t) => t.state))).toEqual([
      [],
      ['paused'],
      ['paused', 'paused'],
      ['complete', 'paused'],
    ]);
    expect(result).toMatchObject({ chosen: 0, stopped: 'nothing is left' });
    expect(result.trials[0]?.reports.map((r) => r.step)).toEqual([10, 40]);
    // The branch's seconds cover both rungs: they are not counted twice.
    expect(result.trials[0]?.gpuSeconds).toBe(40);
  });

  it('asks in the same order with the same knowledge whichever parallel trial ends first', async () => {
    const play = async (slow: (branch: string) => boolean) => {
      const asked: string[] = [];
      const result = await tune(
        { strategy: 'random', trials: 9, parallel: 3 },
        {
          suggest: async (p) => {
            asked.push(p.trials.map((t) => `${t.number}${t.state[0]}`).join(' '));
            return activities().suggest(p);
          },
          train: async (p) => {
            if (slow(p.branch)) await new Promise((resolve) => setTimeout(resolve, 300));
            return trained(p);
          },
        },
        done,
      );
      return { asked, chosen: result.chosen, trials: result.trials.map((t) => t.value) };
    };
    const first = await play((branch) => branch === 'trial-0' || branch === 'trial-4');
    expect(await play((branch) => branch === 'trial-1' || branch === 'trial-2')).toEqual(first);
    // Trial 5 is asked for when 0 to 2 are known and 3 and 4 are under way, never more, never less.
    expect(first.asked[5]).toBe('0c 1c 2c 3r 4r');
  });

  it('trains the finalists with new seeds and chooses by those', async () => {
    const seeds: [string, number][] = [];
    const result = await tune(
      { strategy: 'random', trials: 4, seeds: 2, finalists: 2, parallel: 2 },
      {
        train: async (p) => {
          seeds.push([p.branch, p.context.config.seed]);
          const again = p.branch.includes('seed');
          // Trial 0 looked best by luck.
          return trainingOf({
            heldOutLoss: again && p.branch.startsWith('trial-0') ? 0.9 : lossOf(p.branch),
          });
        },
      },
      done,
    );
    expect(result.confirmations.map((c) => [c.trial, c.value])).toEqual([
      [0, 0.9],
      [2, lossOf('trial-2')],
      [0, 0.9],
      [2, lossOf('trial-2')],
    ]);
    expect(result.chosen).toBe(2);
    const again = new Map(seeds.filter(([branch]) => branch.includes('seed')));
    expect([...again.keys()].sort()).toEqual([
      'trial-0-seed-1',
      'trial-0-seed-2',
      'trial-2-seed-1',
      'trial-2-seed-2',
    ]);
    expect(again.get('trial-0-seed-1')).toBe(again.get('trial-2-seed-1'));
    expect(again.get('trial-0-seed-1')).not.toBe(0);
  });

  it('measures a trial where goals or limits ask for it, and tells the strategy', async () => {
    const asked: Trial[][] = [];
    const result = await tune(
      { strategy: 'random', trials: 2, objective: { maxCopying: 0.1 } },
      {
        suggest: async (p) => {
          asked.push(p.trials);
          return activities().suggest(p);
        },
        train: trained,
        measureTrial: async () => ({
          style: null,
          copying: asked.length === 1 ? 0.4 : 0.05,
          diversity: null,
          adherence: null,
        }),
      },
      done,
    );
    expect(asked[1]?.[0]?.reports[0]?.violations[0]).toBeCloseTo(0.3);
    expect(result.chosen).toBe(1);
  });

  it('holds every stretch at a checkpoint while it is paused, and then makes the same moves', async () => {
    const stretches: string[] = [];
    const held = new Set(['trial-0', 'trial-1']);
    const result = await tune(
      { strategy: 'random', trials: 4, parallel: 2 },
      {
        train: async (p) => {
          stretches.push(p.branch);
          if (!held.delete(p.branch)) return trained(p);
          return trainingOf({ outcome: await stopped(), step: 1, heldOutLoss: null });
        },
      },
      async (handle) => {
        await reached(handle, () => stretches.length === 2);
        await handle.signal('pause');
        await reached(handle, (s) => s.paused && s.running.length === 2);
        expect(stretches).toHaveLength(2);
        await handle.signal('resume');
        return done(handle);
      },
    );
    // Each stretch was called again on its own branch, in whichever order workers took them, and its figures are those of the whole one.
    expect(stretches.slice(2).sort()).toEqual(['trial-0', 'trial-1', 'trial-2', 'trial-3']);
    expect(result.trials.map((t) => t.value)).toEqual([0, 1, 2, 3].map((n) => lossOf(`trial-${n}`)));
  });

  it('ends with the failure of a trial that is not the trial’s own', async () => {
    // No third trial: the test server at times never answers the cancellation of an activity that nobody has begun.
    const study = tune(
      { strategy: 'random', trials: 2, parallel: 2 },
      {
        train: async ({ branch }) => {
          if (branch === 'trial-0') return trainingOf();
          throw ApplicationFailure.create({ type: 'BadData', message: 'no pictures', nonRetryable: true });
        },
      },
      done,
    );
    await expect(study).rejects.toMatchObject({ cause: { message: 'no pictures' } });
  });

  it('continues as new without losing, repeating or asking anything again', async () => {
    const branches: string[] = [];
    const count = STRETCHES_PER_RUN + 12;
    const { result, runs, events } = await tune(
      { strategy: 'random', trials: count, parallel: 3, steps: 1 },
      {
        train: async (p) => {
          branches.push(p.branch);
          return trained(p);
        },
      },
      async (handle) => {
        const first = (await handle.describe()).runId;
        const found = (await handle.result()) as StudyResult;
        const old = environment.client.workflow.getHandle(handle.workflowId, first);
        const { historyLength } = await old.describe();
        return {
          result: found,
          runs: (await handle.describe()).runId !== first,
          events: historyLength,
        };
      },
    );
    expect(runs).toBe(true);
    expect(events).toBeLessThan(10_240);
    expect(branches).toHaveLength(count);
    expect(new Set(branches).size).toBe(count);
    expect(result.trials.map((t) => t.number)).toEqual(Array.from({ length: count }, (_, n) => n));
  }, 120_000);

  it('shows what is under way, what was spent and how many trials are wanted', async () => {
    let release: () => void = () => undefined;
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    await tune(
      { strategy: 'random', trials: 3, steps: 20 },
      {
        train: async (p) => {
          if (p.branch === 'trial-1') await held;
          return trained(p);
        },
      },
      async (handle) => {
        const status = await reached(handle, (s) => s.running.some(({ number }) => number === 1));
        expect(status).toMatchObject({
          strategy: 'random',
          wanted: 3,
          steps: 20,
          spentGpuSeconds: 20,
          running: [{ number: 1, toStep: 20, seed: null }],
          chosen: 0,
        });
        release();
        expect((await done(handle)).sure).toContain('not trained again');
      },
    );
  });
});

/** Polls the study's own status; real time, because the test server's clock only skips while a result is awaited. */
async function reached(handle: WorkflowHandle, test: (status: StudyStatus) => boolean): Promise<StudyStatus> {
  for (let i = 0; i < 600; i++) {
    const status = await handle.query<StudyStatus>('status');
    if (test(status)) return status;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error('the study did not get there');
}
