import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { Worker } from '@temporalio/worker';
import { PipelineError } from '../../src/domain/errors.ts';
import { activityErrors } from '../../src/workers/activity-errors.ts';
import { countedAttempts } from '../../src/workers/attempts.ts';
import { current } from '../../src/workers/current-activity.ts';
import { devServer } from '../temporal/dev-server.ts';
import { runActivity } from '../temporal/run-activity.ts';

let server: TestWorkflowEnvironment;
beforeAll(async () => {
  server = await devServer();
}, 60_000);
afterAll(() => server.teardown());

/** How an activity ends on a real server whose worker counts attempts, and how often it was begun. */
async function endOf(name: string, work: () => Promise<unknown>) {
  let attempts = 0;
  const worker = await Worker.create({
    connection: server.nativeConnection,
    taskQueue: name,
    activities: {
      work: () => {
        attempts += 1;
        return work();
      },
    },
    interceptors: {
      activity: [() => ({ inbound: activityErrors }), () => ({ inbound: countedAttempts })],
    },
  });
  const input = { context: { config: { budget: { attemptsWithoutProgress: 3 } } } };
  const end = await worker.runUntil(runActivity(server.client, { queue: name, type: 'work', input }));
  return { attempts, ...end };
}

describe('the attempts at a GPU activity', () => {
  it('end at the second same error at the same place, with its cause', async () => {
    const end = await endOf('repeated', async () => {
      current.heartbeat({ stage: 'train', done: 200 });
      throw new PipelineError('Internal', 'RuntimeError: Input type and bias type should be the same');
    });
    expect(end).toMatchObject({ attempts: 2, type: 'Internal' });
    expect(end.message).toMatch(/bias type should be the same\n.*same place \(train, 200 done\)/);
  }, 60_000);

  it('end after the trainer died as often as the budget allows without coming further', async () => {
    let done = 0;
    const end = await endOf('died', async () => {
      done = Math.min(done + 1, 3);
      current.heartbeat({ stage: 'measuring', done });
      throw new PipelineError('TrainerDied', 'expected the trainer to live, got signal SIGKILL');
    });
    // Three came further each time; the three after them did not.
    expect(end).toMatchObject({ attempts: 6, type: 'BudgetExhausted' });
    expect(end.message).toMatch(/budget\.attemptsWithoutProgress.*measuring, 3 done.*SIGKILL/);
  }, 60_000);
});
