import { fileURLToPath } from 'node:url';
import { TestWorkflowEnvironment } from '@temporalio/testing';
import {
  bundleWorkflowCode,
  DefaultLogger,
  makeTelemetryFilterString,
  Runtime,
  Worker,
  type WorkflowBundleWithSourceMap,
} from '@temporalio/worker';
import type {
  GpuActivities,
  PictureActivities,
  PipelineActivities,
} from '../../src/domain/run/activities.ts';

const at = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const silent = new DefaultLogger('ERROR', () => undefined);

/** The interceptors of workers that send traces. */
export const TRACING = at('../../src/workflows/support/tracing.ts');

/** Runs that a worker keeps in memory; 0: every workflow task replays the history, as after a restart of the worker. */
const CACHED = Number(process.env.PLEIN_AIR_TEST_CACHED_WORKFLOWS ?? 100);

/** The workflows from their sources, bundled as a worker would. */
export function bundle(workflowInterceptorModules: string[] = []): Promise<WorkflowBundleWithSourceMap> {
  const workflowsPath = at('../../src/workflows/index.ts');
  return bundleWorkflowCode({ workflowsPath, workflowInterceptorModules, logger: silent });
}

/** Temporal's own test server, whose clock jumps over waits. */
export async function timeSkipping(): Promise<TestWorkflowEnvironment> {
  const logging = { filter: makeTelemetryFilterString({ core: 'ERROR', other: 'ERROR' }) };
  Runtime.install({ logger: silent, telemetryOptions: { logging } });
  const path = at('../../.tools/bin/temporal-test-server');
  const environment = await TestWorkflowEnvironment.createTimeSkipping({
    server: { executable: { type: 'existing-path', path } },
  });
  const teardown = environment.teardown.bind(environment);
  environment.teardown = async () => {
    await leave();
    await teardown();
  };
  return environment;
}

/**
 * Waits while the server's clock jumps over waits, so far at a time at most. A pending `result()` of the environment's own
 * client lets it jump without a limit: to the run's own end of time, ten years ahead, where it finds nothing else to wait
 * for just while the run ends.
 */
export async function skipping<T>(
  environment: TestWorkflowEnvironment,
  step: '30s' | '1h',
  awaited: Promise<T>,
): Promise<T> {
  let pending = true;
  const settled = () => {
    pending = false;
  };
  awaited.then(settled, settled);
  while (pending) await environment.sleep(step);
  return awaited;
}

/** Ends the workers of a test that jest gave up; the next one could register none on the same queues. */
let leave: () => Promise<void> = async () => undefined;

/** Runs `work` while workers with these activities serve every queue. */
export async function withWorkers<T>(
  p: {
    environment: TestWorkflowEnvironment;
    workflowBundle: WorkflowBundleWithSourceMap;
    activities: Partial<PipelineActivities & PictureActivities & GpuActivities>;
    maxCachedWorkflows?: number;
  },
  work: () => Promise<T>,
): Promise<T> {
  await leave();
  const shared = {
    connection: p.environment.nativeConnection,
    activities: p.activities,
    // An activity hears of its cancellation when a heartbeat is answered: by default every minute at best.
    maxHeartbeatThrottleInterval: '100ms',
    shutdownForceTime: '20s',
  } as const;
  const pipeline = await Worker.create({
    ...shared,
    taskQueue: 'pipeline',
    workflowBundle: p.workflowBundle,
    maxCachedWorkflows: p.maxCachedWorkflows ?? CACHED,
  });
  const gpu = await Worker.create({ ...shared, taskQueue: 'gpu' });
  const pictures = await Worker.create({ ...shared, taskQueue: 'pictures' });
  let giveUp: (error: Error) => void = () => undefined;
  const givenUp = new Promise<never>((_, reject) => {
    giveUp = reject;
  });
  const served = pipeline.runUntil(gpu.runUntil(pictures.runUntil(Promise.race([work(), givenUp]))));
  leave = async () => {
    giveUp(new Error('the test that these workers served is over'));
    await served.catch(() => undefined);
  };
  return served;
}

/**
 * Replays every prefix of a history that a worker may have to start from, and answers with the errors: one that is cut at a
 * workflow task's start, as after a restart there, and the complete one.
 */
export async function replayErrors(
  p: { workflowId: string; workflowBundle: WorkflowBundleWithSourceMap },
  history: { events?: { workflowTaskStartedEventAttributes?: unknown }[] | null },
): Promise<string[]> {
  const events = history.events ?? [];
  const ends = events.flatMap((event, i) => (event.workflowTaskStartedEventAttributes ? [i + 1] : []));
  const prefixes = [...ends, events.length].map((end) => ({
    workflowId: p.workflowId,
    history: { events: events.slice(0, end) },
  }));
  const errors: string[] = [];
  let prefix = 0;
  for await (const { error } of Worker.runReplayHistories({ workflowBundle: p.workflowBundle }, prefixes)) {
    if (error !== undefined)
      errors.push(`${prefixes[prefix]?.history.events.length} events: ${error.message}`);
    prefix += 1;
  }
  return errors;
}
