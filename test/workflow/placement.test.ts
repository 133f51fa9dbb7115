import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { activityInfo } from '@temporalio/activity';
import { ApplicationFailure } from '@temporalio/common';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { Worker, type WorkflowBundleWithSourceMap } from '@temporalio/worker';
import type { GpuActivities, PipelineActivities } from '../../src/domain/run/activities.ts';
import type { RunResult } from '../../src/domain/run/run-result.ts';
import type { StudyResult } from '../../src/domain/tuning/study-result.ts';
import { bundle, timeSkipping, withWorkers } from './environment.ts';
import { activities, trainingOf } from './fakes.ts';

let environment: TestWorkflowEnvironment;
let workflowBundle: WorkflowBundleWithSourceMap;
beforeAll(async () => {
  [environment, workflowBundle] = await Promise.all([timeSkipping(), bundle()]);
}, 120_000);
afterAll(() => environment?.teardown());

/** A card of the queue that the activity came from that is too small for anything that needs 24 GB. */
function fits(): void {
  if (activityInfo().taskQueue === 'gpu')
    throw ApplicationFailure.create({
      ...{ type: 'OutOfMemory', message: 'expected a training that fits', nonRetryable: true },
      details: [{ gpuClass: 24 }],
    });
}

/** Runs a workflow with workers of small cards and, where `large`, one with 24 GB. */
async function run<T>(
  p: {
    type: string;
    input: object;
    large: boolean;
    changes?: Partial<PipelineActivities & GpuActivities>;
  },
  id: string,
): Promise<{ result: T; queues: string[] }> {
  const queues: string[] = [];
  const note = <A, R>(name: string, work: (a: A) => Promise<R>) => {
    return async (a: A): Promise<R> => {
      queues.push(`${name} ${activityInfo().taskQueue}`);
      fits();
      return work(a);
    };
  };
  const all = activities(p.changes);
  const changed = activities({
    ...p.changes,
    train: note('train', all.train) as typeof all.train,
    evaluate: note('evaluate', all.evaluate) as typeof all.evaluate,
    servedClasses: async () => (p.large ? [0, 24] : [0]),
  });
  const large = await Worker.create({
    connection: environment.nativeConnection,
    ...{ taskQueue: 'gpu.24gb', activities: changed },
  });
  const work = () =>
    withWorkers({ environment, workflowBundle, activities: changed }, async () => {
      const start = { taskQueue: 'pipeline', workflowId: id, args: [p.input] };
      const handle = await environment.client.workflow.start(p.type, start);
      return (await handle.result()) as T;
    });
  return { result: await large.runUntil(work()), queues };
}

describe('work that does not fit on the card that took it up', () => {
  it('goes back to the queue of the class that it needs, and what follows begins there', async () => {
    const { result, queues } = await run<RunResult>(
      { type: 'fineTune', input: { tuning: { strategy: 'fixed' } }, large: true },
      'moved',
    );
    expect(result.verdict).toBe('PASS');
    const main = queues.slice(queues.lastIndexOf('train gpu'));
    expect(main).toEqual(['train gpu', 'train gpu.24gb', 'evaluate gpu.24gb']);
  }, 60_000);

  it.each([
    [true, 'complete'],
    [false, 'infeasible'],
  ])(
    'teaches a study nothing while a larger one is there (%s): %s',
    async (large, state) => {
      const changes = {
        train: async () => trainingOf({ heldOutLoss: 0.2, gpuSeconds: 1 }),
        suggest: async ({ trials }: { trials: unknown[] }) =>
          trials.length === 0
            ? { next: 'trial', number: 0, parameters: { rank: 64 }, toStep: 40, reason: '' }
            : { next: 'stop', number: null, parameters: null, toStep: null, reason: 'enough' },
      } as Partial<PipelineActivities & GpuActivities>;
      const input = { tuning: { strategy: 'random', trials: 1, steps: 40, seeds: 0, parallel: 1 } };
      const study = run<StudyResult>({ type: 'tune', input, large, changes }, `study-${large}`);
      if (!large) {
        // Its only trial fits nowhere that is there: nothing finished.
        await expect(study).rejects.toThrow();
        return;
      }
      const { result } = await study;
      expect(result.trials.map((trial) => trial.state)).toEqual([state]);
    },
    60_000,
  );
});
