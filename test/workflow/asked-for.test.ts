import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Client, WorkflowFailedError, type WorkflowHandle } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import type { WorkflowBundleWithSourceMap } from '@temporalio/worker';
import type {
  GpuActivities,
  PictureActivities,
  PipelineActivities,
} from '../../src/domain/run/activities.ts';
import type { RunResult, RunStatus } from '../../src/domain/run/run-result.ts';
import { bundle, skipping, timeSkipping, withWorkers } from './environment.ts';
import { activities, contextOf, stopped, trainingOf } from './fakes.ts';

let environment: TestWorkflowEnvironment;
let workflowBundle: WorkflowBundleWithSourceMap;
beforeAll(async () => {
  workflowBundle = await bundle();
}, 120_000);

/**
 * A server for the tests of one `describe`: where a run ends while an activity is under way, as a cancelled one may, the
 * test server holds its clock for that activity for ever, so that none of its later tests skips time.
 */
function withServer(): void {
  beforeAll(async () => {
    environment = await timeSkipping();
  }, 60_000);
  afterAll(async () => {
    await environment.teardown();
  }, 60_000);
}

type Activities = Partial<PipelineActivities & PictureActivities & GpuActivities>;
let ids = 0;
/** Runs a workflow with the clock as it is: only {@link skipping} lets it jump. */
function run<T>(
  input: unknown,
  changes: Activities,
  work: (handle: WorkflowHandle) => Promise<T>,
  type = 'fineTune',
): Promise<T> {
  ids += 1;
  return withWorkers({ environment, workflowBundle, activities: activities(changes) }, async () => {
    const { workflow } = new Client({ connection: environment.connection });
    const handle = await workflow.start(type, {
      ...{ taskQueue: 'pipeline', workflowId: `asked-${ids}`, args: [input].flat() },
    });
    return work(handle);
  });
}

async function reached(handle: WorkflowHandle, test: (status: RunStatus) => boolean): Promise<RunStatus> {
  for (let i = 0; i < 600; i++) {
    const status = await handle.query<RunStatus>('status');
    if (test(status)) return status;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error('the run did not get there');
}

/** An activity whose worker vanishes: what the workflow sees after its cancel is a timeout, not a cancellation. */
function vanished() {
  let begin: () => void = () => undefined;
  const begun = new Promise<void>((resolve) => {
    begin = resolve;
  });
  return {
    begun,
    activity: async (): Promise<never> => {
      begin();
      await stopped();
      throw ApplicationFailure.create({
        ...{ type: 'Internal', message: 'activity Heartbeat timeout', nonRetryable: true },
      });
    },
  };
}

const fixed = { tuning: { strategy: 'fixed' } };
const everything = { ...fixed, evaluation: { checkpoints: 3 }, deployment: { variants: ['int8'] } };

async function kindOf(ended: Promise<unknown>): Promise<string> {
  try {
    await ended;
    return 'none';
  } catch (error) {
    const cause = error instanceof WorkflowFailedError ? error.cause : error;
    return cause instanceof ApplicationFailure ? String(cause.type) : String((cause as Error)?.name);
  }
}

describe('a run that was cancelled while the machine of its work had vanished', () => {
  withServer();

  it.each([
    ['prepare', 'planPreparation', everything],
    ['tune', 'train', { tuning: { trials: 2, seeds: 0 } }],
    ['train', 'train', everything],
    ['evaluate', 'chooseCheckpoint', everything],
    ['evaluate', 'evaluate', everything],
    ['gate', 'judge', everything],
    ['deploy', 'makeVariants', everything],
    ['deploy', 'publishRelease', everything],
    ['deploy', 'tryRelease', everything],
    ['deploy', 'deploy', everything],
  ] as const)(
    'ends as cancelled in phase %s (%s)',
    async (phase, name, input) => {
      const lost = vanished();
      const documents: unknown[] = [];
      const changes: Activities = {
        [name]: lost.activity,
        document: async ({ summary }) => {
          documents.push(summary.failure?.kind);
          return activities().document({ summary });
        },
      };
      await run(input, changes, async (handle) => {
        await Promise.race([lost.begun, handle.result()]);
        await handle.cancel();
        const now = await reached(handle, ({ state }) => state !== 'running');
        expect(['cancelling', 'cancelled']).toContain(now.state);
        await expect(handle.result()).rejects.toThrow(/cancel/i);
        expect((await handle.describe()).status.name).toBe('CANCELLED');
        const status = await handle.query<RunStatus>('status');
        expect(status.state).toBe('cancelled');
        expect(status.phases.find((p) => p.name === phase)?.status).toBe('cancelled');
        expect(documents.at(-1)).toBe('Cancelled');
      });
    },
    60_000,
  );

  it.each(['tune', 'prepare'] as const)(
    '%s on its own does so as well',
    async (type) => {
      const lost = vanished();
      const changes: Activities = { assembleDataset: lost.activity, train: lost.activity };
      const planned =
        type === 'prepare' ? { planPreparation: async () => ({ done: null, work: 'a/b', shards: [] }) } : {};
      await run(
        type === 'tune' ? { tuning: { trials: 2, seeds: 0 } } : {},
        { ...changes, ...(planned as unknown as Activities) },
        async (handle) => {
          await lost.begun;
          await handle.cancel();
          await expect(handle.result()).rejects.toThrow(/cancel/i);
          expect((await handle.describe()).status.name).toBe('CANCELLED');
        },
        type,
      );
    },
    60_000,
  );
});

describe('an outage', () => {
  withServer();

  it('of six hours at every phase is waited out', async () => {
    const begun = new Map<string, number>();
    /** Fails as a Hub that is away, six hours long from the activity's first attempt: 72 attempts. */
    const away = async (name: string): Promise<void> => {
      const now = await environment.currentTimeMs();
      const since = begun.get(name) ?? now;
      begun.set(name, since);
      if (now - since < 6 * 3_600_000)
        throw ApplicationFailure.create({
          ...{ type: 'HubUnavailable', message: 'no answer', nextRetryDelay: '5m' },
        });
    };
    const all = activities();
    const names = ['openRun', 'planPreparation', 'analyze', 'train', 'evaluate', 'judge'] as const;
    const late = ['publishRelease', 'tryRelease', 'deploy', 'document'] as const;
    const changes = Object.fromEntries(
      [...names, ...late].map((name) => [
        name,
        async (p: never) => {
          await away(name);
          return (all[name] as (p: never) => Promise<unknown>)(p);
        },
      ]),
    ) as Activities;
    const result = await run(
      { ...fixed, budget: { wallClockHours: 8 } },
      changes,
      async (handle) => (await skipping(environment, '1h', handle.result())) as RunResult,
    );
    expect(result.release?.release.tag).toBe('v1');
    expect(begun.size).toBe(names.length + late.length);
  }, 120_000);

  it('holds up a cancelled run for two minutes at most, for its last report', async () => {
    const changes: Activities = {
      train: async () => trainingOf({ outcome: await stopped() }),
      document: async () => {
        throw ApplicationFailure.create({ type: 'HubUnavailable', message: 'no answer' });
      },
    };
    await run(fixed, changes, async (handle) => {
      await reached(handle, ({ phase }) => phase === 'train');
      const before = await environment.currentTimeMs();
      await handle.cancel();
      await expect(skipping(environment, '30s', handle.result())).rejects.toThrow(/cancel/i);
      const { status, closeTime } = await handle.describe();
      expect(status.name).toBe('CANCELLED');
      expect(Number(closeTime) - before).toBeLessThanOrEqual(125_000);
    });
  }, 60_000);
});

describe('a pause', () => {
  withServer();

  it('is a state between phases and at the gate, and nothing is published while it lasts', async () => {
    const published: string[] = [];
    let leave: () => void = () => undefined;
    const analysis = new Promise<void>((resolve) => {
      leave = resolve;
    });
    const all = activities();
    const changes: Activities = {
      analyze: async (p) => {
        await analysis;
        return all.analyze(p);
      },
      publishRelease: async (p) => {
        published.push(p.context.run);
        return all.publishRelease(p);
      },
    };
    const result = await run({ ...fixed, gate: { requireApproval: true } }, changes, async (handle) => {
      await reached(handle, ({ phase }) => phase === 'analyze');
      await handle.signal('pause');
      expect((await reached(handle, ({ state }) => state !== 'running')).state).toBe('pausing');
      leave();
      const paused = await reached(handle, ({ state }) => state === 'paused');
      expect(paused.needs).toBe(`continue: plein-air resume ${handle.workflowId}`);
      expect(paused.phases.find(({ name }) => name === 'train')?.status).toBe('pending');
      await handle.signal('resume');
      await reached(handle, ({ state }) => state === 'waiting-for-approval');
      await handle.signal('pause');
      await reached(handle, ({ state }) => state === 'paused');
      await handle.executeUpdate('approve', { args: [{ by: 'Berthe', reason: 'the light' }] });
      await reached(handle, ({ phases }) => phases.find(({ name }) => name === 'gate')?.status === 'done');
      expect((await reached(handle, () => true)).state).toBe('paused');
      expect(published).toEqual([]);
      await handle.signal('resume');
      return (await handle.result()) as RunResult;
    });
    expect(published).toHaveLength(1);
    expect(result.release?.release.tag).toBe('v1');
  }, 60_000);
});

describe('a decision', () => {
  withServer();

  it('is asked for again when a rejected run is started again', async () => {
    const input = { ...fixed, run: 'again', gate: { requireApproval: true } };
    const decide = (how: 'approve' | 'reject') => async (handle: WorkflowHandle) => {
      await reached(handle, ({ state }) => state === 'waiting-for-approval');
      await handle.executeUpdate(how, { args: [{ by: 'Berthe', reason: 'the light' }] });
      return (await handle.result()) as RunResult;
    };
    expect((await run(input, {}, decide('reject'))).release).toBeNull();
    expect((await run(input, {}, decide('approve'))).release).not.toBeNull();
  }, 60_000);
});

describe('what cannot work is said with its kind', () => {
  withServer();

  it.each([
    ['tune', [fixed, 'hello'], 'InvalidInput'],
    ['tune', [fixed, { context: {} }], 'InvalidInput'],
    ['tune', [fixed, null, { trials: 1 }], 'InvalidInput'],
  ] as const)(
    '%s(%j)',
    async (type, input, kind) => {
      expect(await run([...input], {}, (h) => kindOf(h.result()), type)).toBe(kind);
    },
    60_000,
  );

  it('a study whose id is taken', async () => {
    const input = { tuning: { trials: 2, seeds: 0 } };
    const error = await run(input, {}, async (handle) => {
      await environment.client.workflow.start('prepare', {
        ...{ taskQueue: 'nobody', workflowId: `${handle.workflowId}-tune`, args: [{}] },
      });
      const cause = await handle.result().catch((e: WorkflowFailedError) => e.cause);
      await environment.client.workflow.getHandle(`${handle.workflowId}-tune`).terminate();
      return cause as ApplicationFailure;
    });
    expect(error.type).toBe('InvalidInput');
    expect(error.message).toContain('-tune"');
  }, 60_000);

  it('a message that is too long is cut', async () => {
    const changes: Activities = {
      planPreparation: async () => {
        throw ApplicationFailure.create({
          ...{ type: 'BadData', message: 'x'.repeat(1_000_000), nonRetryable: true },
        });
      },
      openRun: async ({ config }) => contextOf(config, 'long'),
    };
    const error = await run(fixed, changes, (h) => h.result().catch((e: WorkflowFailedError) => e.cause));
    expect((error as Error).message.length).toBeLessThan(2100);
  }, 60_000);
});
