import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Client } from '@temporalio/client';
import { NativeConnection } from '@temporalio/worker';
import { type Environment, hubAccess } from '../config/env.ts';
import { PipelineError } from '../domain/errors.ts';
import { GPU_CLASSES, type GpuClass } from '../domain/run/gpu-class.ts';
import { GPU_QUEUE, gpuQueue } from '../domain/run/task-queues.ts';
import { connectHub } from '../hub/client.ts';
import type { Hub } from '../hub/hub.ts';
import { connectionSettings, explainTemporal } from '../temporal/connection.ts';

/** Connects a worker to Temporal and looks its namespace up, so that a wrong key or name is said at once. */
export async function connectTemporal(): Promise<{ connection: NativeConnection; namespace: string }> {
  const { options, namespace } = connectionSettings(null);
  let connection: NativeConnection | null = null;
  try {
    connection = await NativeConnection.connect(options);
    await connection.workflowService.describeNamespace({ namespace });
    return { connection, namespace };
  } catch (error) {
    await connection?.close();
    throw explainTemporal(error, { address: options.address, namespace, tls: Boolean(options.tls) });
  }
}

/**
 * The Hub that the environment names, asked once whether it takes the token: a worker with a wrong one would fail every run it
 * gets. A Hub that is away is the work's to wait for. The token never leaves this function's closure.
 */
export async function hubFromEnvironment(env: Environment): Promise<Hub> {
  const access = hubAccess(env);
  if (access === null)
    throw new PipelineError(
      'HubRefused',
      'expected a Hub token with write permission in HF_TOKEN, got none: create one in your Hub settings (settings/tokens) and set it as a secret',
    );
  const hasty = connectHub({ ...access, patience: { attempts: 1, timeoutMs: 10_000 } });
  await hasty.whoAmI().catch((error: unknown) => {
    if (!(error instanceof PipelineError) || !error.retryable) throw error;
  });
  return connectHub(access);
}

/** How many GPU workers ask for work right now. */
export async function gpuPollers(client: Client): Promise<number> {
  return (await queuePollers(client, GPU_QUEUE)).length;
}

/** Names of the workers that ask for activities of a queue right now. */
export async function queuePollers({ workflowService, options }: Client, queue: string): Promise<string[]> {
  const { pollers } = await workflowService.describeTaskQueue({
    namespace: options.namespace,
    taskQueue: { name: queue },
    taskQueueType: 2,
  });
  const alive = (pollers ?? []).filter(
    (poller) => Date.now() - Number(poller.lastAccessTime?.seconds ?? 0) * 1000 < POLL_LIMIT_MS,
  );
  return [...new Set(alive.map(({ identity }) => identity ?? ''))];
}

/** Classes of accelerators that somebody asks for work with right now; larger machines ask for the work of smaller ones, too. */
export async function servedClasses(client: Client): Promise<GpuClass[]> {
  const found = await Promise.all(GPU_CLASSES.map((one) => queuePollers(client, gpuQueue(null, one))));
  return GPU_CLASSES.filter((_, index) => (found[index] ?? []).length > 0);
}

/** A poll waits for work for a minute: a worker that was not heard of for longer is gone. */
const POLL_LIMIT_MS = 70_000;

/** Folder that this worker may fill and lose. */
export function workFolder(env: Environment): string {
  return env.PLEIN_AIR_WORK_DIR ?? join(tmpdir(), `plein-air-${process.pid}`);
}
