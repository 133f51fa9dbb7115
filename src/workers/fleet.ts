import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type Client,
  ScheduleAlreadyRunning,
  ScheduleOverlapPolicy,
  WorkflowExecutionAlreadyStartedError,
} from '@temporalio/client';
import type { WorkerOptions } from '@temporalio/worker';
import { createFleetActivities } from '../activities/fleet/fleet.ts';
import { farWorkerEnvironment, sessionEnvironment } from '../config/child-environment.ts';
import { type Environment, hubAccess, processEnvironment, pythonPath } from '../config/env.ts';
import { PROJECT } from '../config/paths.ts';
import { FLEET_QUEUE, FLEET_WORKFLOW_ID, REAPER_ID } from '../domain/gpu-source/fleet.ts';
import { type GpuSession, sessionPrefix } from '../domain/gpu-source/session.ts';
import { PIPELINE_QUEUE } from '../domain/run/task-queues.ts';
import { createSource } from '../gpu-sources/factory.ts';
import { createLedger, ledgerRepo } from '../gpu-sources/ledger.ts';
import { readSourcesFile } from '../gpu-sources/read-file.ts';
import type { Hub } from '../hub/hub.ts';
import { current } from './current-activity.ts';
import { gpuDemand } from './gpu-demand.ts';
import { fleetGauges } from './telemetry.ts';

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
    worker: farWorkerEnvironment(processEnvironment()),
    local: {
      script: join(PROJECT, 'dist', 'workers', 'gpu-worker.js'),
      folder: join(env.PLEIN_AIR_DATA_DIR ?? workDir, 'sessions'),
      environment: { ...sessionEnvironment(processEnvironment()), PLEIN_AIR_PYTHON: pythonPath(env) },
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
    startFleet: () => startFleet(client),
    onView: fleetGauges(),
  });
  await startFleet(client);
  await scheduleReaper(client);
  return [{ taskQueue: FLEET_QUEUE, activities, maxConcurrentActivityTaskExecutions: 20 }];
}

/** What a Colab session runs: set-up, then the worker in the background. */
const BOOTSTRAP = join(PROJECT, 'gpu-worker', 'colab_worker.py');

/** Starts the fleet's workflow; false: it runs already. */
async function startFleet(client: Client): Promise<boolean> {
  try {
    await client.workflow.start('gpuFleet', {
      workflowId: FLEET_WORKFLOW_ID,
      taskQueue: PIPELINE_QUEUE,
      args: [],
    });
    return true;
  } catch (error) {
    if (error instanceof WorkflowExecutionAlreadyStartedError) return false;
    throw error;
  }
}

/** Has sessions reaped each night; a schedule that a person has changed or paused stays as it is. */
async function scheduleReaper(client: Client): Promise<void> {
  try {
    await client.schedule.create({
      scheduleId: REAPER_ID,
      spec: { cronExpressions: ['17 3 * * *'] },
      policies: { overlap: ScheduleOverlapPolicy.SKIP, catchupWindow: '1h' },
      action: {
        type: 'startWorkflow',
        workflowType: 'reapGpuSessions',
        workflowId: REAPER_ID,
        taskQueue: PIPELINE_QUEUE,
        args: [],
      },
    });
  } catch (error) {
    // The fleet itself closes what is idle: without the right to make schedules, only the second look is missing.
    if (!(error instanceof ScheduleAlreadyRunning))
      process.stderr.write(`the nightly reaper of GPU sessions could not be scheduled: ${String(error)}\n`);
  }
}

/** The sessions that the fleet opened for a run, from its ledger on the Hub; any pipeline worker can read them. */
export function sessionsOfRun(hub: Hub, fleet: string): (run: string) => Promise<GpuSession[]> {
  return async (run) => {
    const ledger = createLedger(hub, ledgerRepo(await hub.whoAmI()), fleet);
    return (await ledger.recent(Date.now())).filter((session) => session.run === run);
  };
}
