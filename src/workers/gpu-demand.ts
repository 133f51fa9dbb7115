import type { Client } from '@temporalio/client';
import type { Demand } from '../activities/fleet/fleet.ts';
import type { WaitingWork } from '../domain/gpu-source/plan.ts';
import { GPU_QUEUE, isGpuQueue } from '../domain/run/task-queues.ts';
import { queuePollers } from './connect.ts';

const RUNNING = `ExecutionStatus = 'Running' AND WorkflowType IN ('fineTune', 'tune', 'prepare', 'reevaluate')`;
/** Runs that are described at a time. */
const AT_ONCE = 8;
/** `PENDING_ACTIVITY_STATE_STARTED`. */
const STARTED = 2;

/** Reads from the server which GPU work waits and which workers have some: nothing is signaled, so nothing can be missed. */
export function gpuDemand(client: Client): () => Promise<Demand> {
  return async () => {
    const waiting: WaitingWork[] = [];
    const working: { identity: string; work: WaitingWork }[] = [];
    const money = new Map<string, number>();
    const ids: string[] = [];
    for await (const { workflowId } of client.workflow.list({ query: RUNNING })) ids.push(workflowId);
    const next = ids[Symbol.iterator]();
    const reader = async () => {
      for (const workflowId of next) {
        const found = await client.workflow
          .getHandle(workflowId)
          .describe()
          .catch(() => null);
        if (found === null) continue;
        const run = typeof found.memo?.run === 'string' ? found.memo.run : workflowId;
        if (typeof found.memo?.money === 'number') money.set(run, found.memo.money);
        for (const pending of found.raw.pendingActivities ?? []) {
          const queue = pending.activityOptions?.taskQueue?.name ?? '';
          if (!isGpuQueue(queue)) continue;
          const since = Number(pending.scheduledTime?.seconds ?? 0) * 1000;
          const work = { run, workflowId, queue, activity: pending.activityType?.name ?? '', since };
          if (pending.state === STARTED) working.push({ identity: pending.lastWorkerIdentity ?? '', work });
          else waiting.push(work);
        }
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, reader));
    const queues = new Set([GPU_QUEUE, ...waiting.map(({ queue }) => queue)]);
    const polling = [...queues].map(async (queue) =>
      (await queuePollers(client, queue)).map((identity) => ({ queue, identity })),
    );
    return { waiting, working, money, pollers: (await Promise.all(polling)).flat() };
  };
}
