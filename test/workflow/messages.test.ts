import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { WorkflowFailedError, type WorkflowHandle } from '@temporalio/client';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { Worker, type WorkflowBundleWithSourceMap } from '@temporalio/worker';
import type { RunStatus } from '../../src/domain/run/run-result.ts';
import { devServer } from '../temporal/dev-server.ts';
import { bundle, replayErrors, TRACING, withWorkers } from './environment.ts';
import { activities, contextOf, evaluation, stopped, trainingOf } from './fakes.ts';

/** A real server: only there a refused update leaves no event, and with it everything that its task had noted. */
let environment: TestWorkflowEnvironment;
let untraced: WorkflowBundleWithSourceMap;
let traced: WorkflowBundleWithSourceMap;
beforeAll(async () => {
  [environment, untraced, traced] = await Promise.all([devServer(), bundle(), bundle([TRACING])]);
}, 120_000);
afterAll(async () => {
  await environment?.teardown();
});

const INPUT = { tuning: { strategy: 'fixed' }, gate: { requireApproval: true } };
const decision = { by: 'Berthe', reason: 'the light is right' };
const malformed = { by: ' ' };

async function reached(handle: WorkflowHandle, test: (status: RunStatus) => boolean): Promise<void> {
  for (let i = 0; i < 600; i++) {
    if (test(await handle.query<RunStatus>('status'))) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error('the run did not get there');
}

/** What is sent to a run: refused while it trains, refused for its form at the gate, then in its good form. */
const SENT = {
  'update approve': (h: WorkflowHandle, message: object) => h.executeUpdate('approve', { args: [message] }),
  'update reject': (h: WorkflowHandle, message: object) => h.executeUpdate('reject', { args: [message] }),
  'signal approve': (h: WorkflowHandle, message: object) => h.signal('approve', message),
  'signal reject': (h: WorkflowHandle, message: object) => h.signal('reject', message),
} as const;

describe('a run whose messages were refused before one was accepted', () => {
  it.each([
    ['traced', 'update approve', 0],
    ['untraced', 'update reject', 100],
    ['traced', 'signal reject', 100],
    ['untraced', 'signal approve', 0],
  ] as const)(
    'replays from every prefix of its history: %s, %s, %d runs in memory',
    async (kind, name, maxCachedWorkflows) => {
      const send = SENT[name];
      const workflowBundle = kind === 'traced' ? traced : untraced;
      const workflowId = `${kind} ${name}`;
      let trainings = 0;
      let evaluate: () => void = () => undefined;
      const evaluated = new Promise<void>((resolve) => {
        evaluate = resolve;
      });
      const history = await withWorkers(
        {
          ...{ environment, workflowBundle, maxCachedWorkflows },
          activities: activities({
            openRun: async ({ config }) => ({
              ...contextOf(config, 'run'),
              operations: { searchAttributes: true, notifications: true },
            }),
            train: async () => {
              trainings += 1;
              return trainings === 1 ? trainingOf({ outcome: await stopped(), step: 1 }) : trainingOf();
            },
            evaluate: async () => {
              await evaluated;
              return evaluation;
            },
          }),
        },
        async () => {
          const handle = await environment.client.workflow.start('fineTune', {
            ...{ taskQueue: 'pipeline', workflowId, args: [INPUT] },
          });
          await reached(handle, (s) => s.phase === 'train' && trainings === 1);
          const refused = async (message: object) => {
            const sent = send(handle, message);
            await (name.startsWith('update') ? expect(sent).rejects.toThrow() : sent);
          };
          await refused(decision);
          await expect(handle.executeUpdate('nonsense')).rejects.toThrow();
          await handle.signal('nonsense', 1);
          await handle.signal('progress', { nonsense: true });
          await handle.signal('resume');
          await handle.signal('pause');
          await reached(handle, (s) => s.state === 'paused');
          await handle.signal('pause');
          await handle.signal('resume');
          await reached(handle, (s) => s.phase === 'evaluate');
          await refused(decision);
          evaluate();
          await reached(handle, (s) => s.state === 'waiting-for-approval');
          await refused(malformed);
          await send(handle, decision);
          await handle.result();
          await expect(send(handle, decision)).rejects.toThrow();
          return handle.fetchHistory();
        },
      );
      expect(await replayErrors({ workflowId, workflowBundle }, history)).toEqual([]);
      // Tracing may be switched on and off while a run is under way.
      const other = kind === 'traced' ? untraced : traced;
      await Worker.runReplayHistory({ workflowBundle: other }, history, workflowId);
    },
    120_000,
  );
});

it('replays from every prefix after a cancel that comes with a refused decision', async () => {
  const workflowId = 'cancelled';
  const history = await withWorkers(
    {
      ...{ environment, workflowBundle: traced, maxCachedWorkflows: 0 },
      activities: activities({ train: async () => trainingOf({ outcome: await stopped() }) }),
    },
    async () => {
      const handle = await environment.client.workflow.start('fineTune', {
        ...{ taskQueue: 'pipeline', workflowId, args: [INPUT] },
      });
      await reached(handle, (s) => s.phase === 'train');
      await expect(handle.executeUpdate('approve', { args: [decision] })).rejects.toThrow();
      await handle.cancel();
      await expect(handle.result()).rejects.toBeInstanceOf(WorkflowFailedError);
      return handle.fetchHistory();
    },
  );
  expect(await replayErrors({ workflowId, workflowBundle: traced }, history)).toEqual([]);
}, 120_000);
