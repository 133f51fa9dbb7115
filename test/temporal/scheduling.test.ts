import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import proto from '@temporalio/proto';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { Worker, type WorkerOptions, type WorkflowBundleWithSourceMap } from '@temporalio/worker';
import { profileOfGpuWorkers } from '../../src/cli/choose-profile.ts';
import type { PipelineActivities } from '../../src/domain/run/activities.ts';
import { machineName } from '../../src/domain/run/machine-name.ts';
import { DEPLOYMENT } from '../../src/domain/run/task-queues.ts';
import { pollers } from '../../src/runs/start-run.ts';
import { until } from '../chaos/lib/fleet.ts';
import { bundle } from '../workflow/environment.ts';
import { activities, trainingOf } from '../workflow/fakes.ts';
import { devServer } from './dev-server.ts';

let environment: TestWorkflowEnvironment;
let workflowBundle: WorkflowBundleWithSourceMap;
beforeAll(async () => {
  [environment, workflowBundle] = await Promise.all([devServer(), bundle()]);
}, 120_000);
afterAll(async () => {
  await environment?.teardown();
});

const fixed = { tuning: { strategy: 'fixed' } };
const trained: string[] = [];
const steps = (changes: Partial<PipelineActivities> = {}) =>
  activities({
    ...changes,
    train: async ({ context }) => {
      trained.push(context.run);
      return trainingOf();
    },
  });

function pipeline(options: Partial<WorkerOptions> = {}): Promise<Worker> {
  const connection = environment.nativeConnection;
  return Worker.create({
    connection,
    taskQueue: 'pipeline',
    workflowBundle,
    activities: steps(),
    ...options,
  });
}
function gpu(taskQueue = 'gpu'): Promise<Worker> {
  const connection = environment.nativeConnection;
  return Worker.create({
    connection,
    taskQueue,
    activities: steps(),
    maxConcurrentActivityTaskExecutions: 1,
  });
}
async function start(workflowId: string, input: object = {}) {
  return environment.client.workflow.start('fineTune', {
    taskQueue: 'pipeline',
    workflowId,
    args: [{ ...fixed, ...input }],
  });
}
async function atTraining(workflowId: string): Promise<void> {
  await until(`${workflowId} waits for a GPU`, async () => {
    const { raw } = await environment.client.workflow.getHandle(workflowId).describe();
    return raw.pendingActivities?.some((a) => a.activityType?.name === 'train') === true;
  });
}
/** History hands a task over after it has recorded it: only what has reached the queue can be put in order. */
async function queued(tasks: number): Promise<void> {
  await until(`the queue of GPUs holds ${tasks} tasks`, async () => {
    const { stats } = await environment.client.workflowService.describeTaskQueue({
      namespace: environment.namespace ?? 'default',
      taskQueue: { name: 'gpu' },
      taskQueueType: proto.temporal.api.enums.v1.TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY,
      reportStats: true,
    });
    return Number(stats?.approximateBacklogCount ?? 0) >= tasks;
  });
}
/** Asks for work once, as a worker of that name does. */
function poll(queue: string, identity: string, signal: AbortSignal): Promise<unknown> {
  const { connection, options } = environment.client;
  const ask = { namespace: options.namespace, taskQueue: { name: queue }, identity };
  return connection.withAbortSignal(signal, () =>
    connection.withDeadline(Date.now() + 60_000, () => connection.workflowService.pollActivityTaskQueue(ask)),
  );
}
/** Waits until so many workers have asked a queue for work. */
async function seen(queue: string, workers: number): Promise<void> {
  await until(
    `${workers} workers poll ${queue}`,
    async () => (await pollers(environment.client, queue)).length >= workers,
  );
}

describe('runs that share a few GPUs', () => {
  it('get them in the order of their priority, whoever came first', async () => {
    const worker = await pipeline();
    await worker.runUntil(async () => {
      const waiting: Awaited<ReturnType<typeof start>>[] = [];
      for (const [run, priority] of [
        ['can-wait', 5],
        ['usual', 3],
        ['urgent', 1],
      ] as const) {
        waiting.push(await start(run, { priority }));
        await atTraining(run);
      }
      await queued(waiting.length);
      const one = await gpu();
      await one.runUntil(() => Promise.all(waiting.map((run) => run.result())));
    });
    expect(trained).toEqual(['urgent', 'usual', 'can-wait']);
  });

  it('take turns by model where their priority is the same', async () => {
    trained.length = 0;
    const worker = await pipeline();
    await worker.runUntil(async () => {
      const waiting: Awaited<ReturnType<typeof start>>[] = [];
      for (const run of ['a-1', 'a-2', 'a-3', 'a-4', 'b-1']) {
        waiting.push(await start(run, { model: run.charAt(0) === 'a' ? 'many' : 'single' }));
        await atTraining(run);
      }
      await queued(waiting.length);
      const one = await gpu();
      await one.runUntil(() => Promise.all(waiting.map((run) => run.result())));
    });
    // First come, first served would leave the other model's only run for last.
    expect(trained.indexOf('b-1')).toBeLessThan(3);
  });

  it('can be pinned to one session, which no other run reaches', async () => {
    trained.length = 0;
    const worker = await pipeline();
    await worker.runUntil(async () => {
      const pinned = await start('pinned', { gpuSession: 'studio-7' });
      await atTraining('pinned');
      const shared = await gpu();
      await shared.runUntil(async () => {
        await (await start('free')).result();
        expect(trained).toEqual(['free']);
        const session = await gpu('gpu-studio-7');
        await session.runUntil(() => pinned.result());
      });
    });
    expect(trained).toEqual(['free', 'pinned']);
  });
});

describe('a run that names no profile', () => {
  it('gets the one for the smallest accelerator that asks for work', async () => {
    const queue = 'gpu-colab';
    const asked = () => profileOfGpuWorkers(environment.client, 'colab');
    const ended = new AbortController();
    const polls: Promise<unknown>[] = [];
    const polling = async (worker: string, name: string, vramBytes: number | null) => {
      polls.push(poll(queue, machineName(worker, { name, vramBytes }), ended.signal));
      await seen(queue, polls.length);
    };
    await polling('laptop', 'a CPU', null);
    expect(await asked()).toBeNull();
    await polling('studio', 'NVIDIA A100-SXM4-40GB', 42.4e9);
    expect(await asked()).toBe('a100');
    await polling('colab', 'NVIDIA L4', 23.7e9);
    expect(await asked()).toBe('l4');
    ended.abort();
    await Promise.allSettled(polls);
  });
});

describe('versioned pipeline workers', () => {
  const versioned = (buildId: string, seen: string[]) =>
    pipeline({
      identity: buildId,
      activities: steps({
        judge: async () => {
          seen.push(buildId);
          return {
            verdict: 'FAIL',
            reasons: [],
            record: (await import('../workflow/fakes.ts')).file('v.json'),
          };
        },
      }),
      workerDeploymentOptions: {
        useWorkerVersioning: true,
        version: { deploymentName: DEPLOYMENT, buildId },
        defaultVersioningBehavior: 'PINNED',
      },
    });

  /** What "temporal worker deployment set-current-version" does; tried until the server knows the version. */
  async function makeCurrent(buildId: string): Promise<void> {
    for (let i = 0; ; i++) {
      try {
        await environment.client.workflowService.setWorkerDeploymentCurrentVersion({
          namespace: 'default',
          deploymentName: DEPLOYMENT,
          buildId,
          ignoreMissingTaskQueues: true,
          identity: 'test',
        });
        return;
      } catch (error) {
        if (i > 100) throw error;
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    }
  }

  it('keep a run on the version that started it, and give new runs the newer one', async () => {
    const seen: string[] = [];
    const [v1, v2] = [await versioned('v1', seen), await versioned('v2', seen)];
    await v1.runUntil(
      v2.runUntil(async () => {
        await makeCurrent('v1');
        const old = await start('begun-on-v1');
        await atTraining('begun-on-v1');
        await makeCurrent('v2');
        const young = await start('begun-on-v2');
        await atTraining('begun-on-v2');
        const one = await gpu();
        await one.runUntil(async () => {
          await old.result();
          expect(seen).toEqual(expect.arrayContaining(['v1']));
          await young.result();
        });
      }),
    );
    expect(seen.sort()).toEqual(['v1', 'v2']);
    const { raw } = await environment.client.workflow.getHandle('begun-on-v1').describe();
    expect(raw.workflowExecutionInfo?.versioningInfo?.deploymentVersion?.buildId).toBe('v1');
  }, 90_000);
});
