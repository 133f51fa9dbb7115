import { createRequire } from 'node:module';
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

/** The interceptors that production has: with them an update's end comes later than the timer that its decision cancels. */
export const TRACING = createRequire(import.meta.url).resolve(
  '@temporalio/interceptors-opentelemetry/lib/workflow-interceptors',
);

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
  return TestWorkflowEnvironment.createTimeSkipping({
    server: { executable: { type: 'existing-path', path } },
  });
}

/** Runs `work` while workers with these activities serve every queue. */
export async function withWorkers<T>(
  p: {
    environment: TestWorkflowEnvironment;
    workflowBundle: WorkflowBundleWithSourceMap;
    activities: Partial<PipelineActivities & PictureActivities & GpuActivities>;
  },
  work: () => Promise<T>,
): Promise<T> {
  const shared = { connection: p.environment.nativeConnection, activities: p.activities };
  const pipeline = await Worker.create({
    ...shared,
    taskQueue: 'pipeline',
    workflowBundle: p.workflowBundle,
  });
  const gpu = await Worker.create({ ...shared, taskQueue: 'gpu' });
  const pictures = await Worker.create({ ...shared, taskQueue: 'pictures' });
  return pipeline.runUntil(gpu.runUntil(pictures.runUntil(work())));
}
