import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { WorkflowHandle } from '@temporalio/client';
import { temporal } from '@temporalio/proto';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import type { WorkflowBundleWithSourceMap } from '@temporalio/worker';
import { devServer } from '../temporal/dev-server.ts';
import { bundle, replayErrors, withWorkers } from './environment.ts';
import { activities } from './fakes.ts';

/** Messages reach a run before its first task where no worker runs yet, or a busy one. */
let environment: TestWorkflowEnvironment;
let workflowBundle: WorkflowBundleWithSourceMap;
beforeAll(async () => {
  [environment, workflowBundle] = await Promise.all([devServer(), bundle()]);
}, 120_000);
afterAll(async () => {
  await environment?.teardown();
});

const { WorkflowTaskFailedCause: TASK_FAILED } = temporal.api.enums.v1;
const decision = { by: 'Berthe', reason: 'the light is right' };
const SIGNALS: Record<string, (handle: WorkflowHandle) => Promise<unknown>> = {
  approve: (handle) => handle.signal('approve', decision),
  'a malformed reject': (handle) => handle.signal('reject', 7),
  'pause, then resume': async (handle) => {
    await handle.signal('pause');
    await handle.signal('resume');
  },
  progress: (handle) => handle.signal('progress', { of: 'another program' }),
  'a budget that is spent, then resume': async (handle) => {
    await handle.signal('resume');
    await handle.signal('budgetSpent', 'the month is over');
    await handle.signal('resume');
  },
  'one that nobody knows': (handle) => handle.signal('hurry'),
};

const WORKFLOWS = {
  fineTune: [{ tuning: { strategy: 'fixed' } }],
  tune: [{ tuning: { strategy: 'random', trials: 2 } }],
  prepare: [{}],
  reevaluate: [{ model: 'plein-air/lilies' }],
  rollback: [{ model: 'plein-air/lilies', by: 'Berthe', reason: 'too blue' }],
};

describe('a message that comes before the first task of', () => {
  it.each(Object.entries(WORKFLOWS))(
    '%s fails no task, and every prefix replays',
    async (type, args) => {
      const { workflow } = environment.client;
      const handles = await Promise.all(
        Object.entries(SIGNALS).map(async ([name, send]) => {
          const handle = await workflow.start(type, {
            ...{
              taskQueue: 'pipeline',
              workflowId: `${type}-${name.replaceAll(/\W+/g, '-')}`.toLowerCase().slice(0, 48),
              args: args as unknown[],
            },
          });
          await send(handle);
          return handle;
        }),
      );
      const tasks = await withWorkers(
        { environment, workflowBundle, activities: activities({}) },
        async () => {
          // How it ends is its own affair; a task that failed is tried for ever instead.
          await Promise.all(handles.map((handle) => handle.result().catch(() => undefined)));
          return Promise.all(handles.map((handle) => handle.fetchHistory()));
        },
      );
      for (const [i, history] of tasks.entries()) {
        const failed = (history.events ?? []).filter(
          (event) =>
            ![undefined, null, TASK_FAILED.WORKFLOW_TASK_FAILED_CAUSE_UNHANDLED_COMMAND].includes(
              event.workflowTaskFailedEventAttributes?.cause,
            ),
        );
        expect(failed).toEqual([]);
        const workflowId = handles[i]?.workflowId ?? '';
        expect(await replayErrors({ workflowId, workflowBundle }, history)).toEqual([]);
      }
    },
    90_000,
  );
});
