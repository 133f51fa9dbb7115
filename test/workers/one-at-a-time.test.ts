import { afterAll, beforeAll, expect, it } from '@jest/globals';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { Worker } from '@temporalio/worker';
import { OneAtATime } from '../../src/workers/one-at-a-time.ts';
import { devServer } from '../temporal/dev-server.ts';
import { runActivity } from '../temporal/run-activity.ts';

let server: TestWorkflowEnvironment;
beforeAll(async () => {
  server = await devServer();
}, 60_000);
afterAll(() => server.teardown());

it('serves several queues with one piece of work at a time between them, and leaves none lying', async () => {
  const shared = new OneAtATime();
  let [now, most] = [0, 0];
  const done: string[] = [];
  const work = async ({ name }: { name: string }) => {
    now += 1;
    most = Math.max(most, now);
    // Long enough for a second one to come in meanwhile, if anything let it.
    for (let turn = 0; turn < 200; turn++) await new Promise(setImmediate);
    now -= 1;
    done.push(name);
  };
  const queues = ['large', 'middle', 'small'];
  const workers = await Promise.all(
    queues.map((taskQueue) =>
      Worker.create({
        ...{ connection: server.nativeConnection, taskQueue, activities: { work } },
        ...shared.options(),
        interceptors: { activity: [() => ({ inbound: shared.interceptor })] },
      }),
    ),
  );
  const names = queues.flatMap((queue) => [1, 2, 3, 4].map((n) => `${queue}-${n}`));
  const asked = Promise.all(
    names.map((name) =>
      runActivity(server.client, {
        ...{ queue: name.split('-')[0] ?? '', id: name, type: 'work', input: { name } },
      }),
    ),
  );
  const [first, ...others] = workers;
  await others.reduce((inner, worker) => worker.runUntil(inner), first?.runUntil(asked) ?? asked);
  expect(most).toBe(1);
  expect(done.sort()).toEqual(names.sort());
}, 120_000);
