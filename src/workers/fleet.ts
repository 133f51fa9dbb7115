import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Client, WorkflowExecutionAlreadyStartedError } from '@temporalio/client';
import type { WorkerOptions } from '@temporalio/worker';
import { createFleetActivities } from '../activities/fleet/fleet.ts';
import { type Environment, hubAccess, processEnvironment, pythonPath } from '../config/env.ts';
import { PROJECT } from '../config/paths.ts';
import { FLEET_QUEUE, FLEET_WORKFLOW_ID } from '../domain/gpu-source/fleet.ts';
import { sessionPrefix } from '../domain/gpu-source/session.ts';
import { PIPELINE_QUEUE } from '../domain/run/task-queues.ts';
import { createSource } from '../gpu-sources/factory.ts';
import { createLedger, ledgerRepo } from '../gpu-sources/ledger.ts';
import { readSourcesFile } from '../gpu-sources/read-file.ts';
import type { SourceGround } from '../gpu-sources/source.ts';
import type { Hub } from '../hub/hub.ts';
import { current } from './current-activity.ts';
import { gpuDemand } from './gpu-demand.ts';

/**
 * The queue of the fleet, where the operator's file says who brings machines; starts the fleet's workflow unless it runs.
 * Empty: no file, and runs wait for a GPU worker that a person starts.
 */
export async function fleetQueues(
  env: Environment,
  ground: { client: Client; hub: Hub; workDir: string },
): Promise<(Partial<WorkerOptions> & { taskQueue: string })[]> {
  if (env.PLEIN_AIR_GPU_SOURCES === undefined) return [];
  const file = readSourcesFile(env.PLEIN_AIR_GPU_SOURCES);
  const { client, hub, workDir } = ground;
  const fleet = env.PLEIN_AIR_FLEET;
  const owner = await hub.whoAmI();
  const access = hubAccess(env);
  const source = {
    environment: processEnvironment(),
    jobs: { endpoint: hub.endpoint, token: access?.accessToken ?? '', namespace: owner },
    readBootstrap: (path: string | undefined) => readFile(path ?? BOOTSTRAP, 'utf8'),
    prefix: sessionPrefix(fleet),
    worker: workerEnvironment(processEnvironment()),
    local: {
      script: join(PROJECT, 'dist', 'workers', 'gpu-worker.js'),
      folder: join(env.PLEIN_AIR_DATA_DIR ?? workDir, 'sessions'),
      environment: localEnvironment(processEnvironment(), pythonPath(env)),
      owner: env.PLEIN_AIR_OWNER,
    },
  };
  const activities = createFleetActivities({
    file,
    fleet,
    ledger: createLedger(hub, ledgerRepo(owner), fleet),
    sources: new Map(file.sources.map((config) => [config.name, createSource(config, source)])),
    demand: gpuDemand(client),
    seconds: env.PLEIN_AIR_FLEET_SECONDS,
    heartbeat: () => current.heartbeat(null),
    signal: current.signal,
  });
  await startFleet(client);
  return [{ taskQueue: FLEET_QUEUE, activities, maxConcurrentActivityTaskExecutions: 20 }];
}

/** What a Colab session runs: set-up, then the worker in the background. */
const BOOTSTRAP = join(PROJECT, 'gpu-worker', 'colab_worker.py');

async function startFleet(client: Client): Promise<void> {
  try {
    await client.workflow.start('gpuFleet', {
      workflowId: FLEET_WORKFLOW_ID,
      taskQueue: PIPELINE_QUEUE,
      args: [],
    });
  } catch (error) {
    if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
  }
}

/** What a worker on another machine needs to reach Temporal and the Hub. */
const HANDED_ON = /^(TEMPORAL_[A-Z0-9_]+|HF_ENDPOINT|HF_TOKEN|PLEIN_AIR_CODEC_KEYS)$/;
const IS_SECRET = /KEY|TOKEN|SECRET/;

function workerEnvironment(all: NodeJS.ProcessEnv): SourceGround['worker'] {
  const variables: Record<string, string> = {};
  const secrets: Record<string, string> = {};
  for (const [name, value] of Object.entries(all))
    if (value !== undefined && HANDED_ON.test(name))
      (IS_SECRET.test(name) ? secrets : variables)[name] = value;
  return { variables, secrets };
}

/** What a worker on this machine needs besides. */
const OF_THIS_MACHINE =
  /^(PATH|HOME|LANG|LC_[A-Z]+|TMPDIR|TZ|CUDA_[A-Z_]+|NVIDIA_[A-Z_]+|LD_LIBRARY_PATH|NODE_EXTRA_CA_CERTS|NODE_OPTIONS|OMP_NUM_THREADS|HF_HUB_OFFLINE)$/;

function localEnvironment(all: NodeJS.ProcessEnv, python: string): NodeJS.ProcessEnv {
  const kept = Object.entries(all).filter(([name]) => OF_THIS_MACHINE.test(name));
  return { ...Object.fromEntries(kept), PLEIN_AIR_PYTHON: python };
}
