import { mkdirSync } from 'node:fs';
import { activityInfo } from '@temporalio/activity';
import type { WorkerOptions } from '@temporalio/worker';
import { createAnalyze } from '../activities/analyze/analyze.ts';
import { createDocument } from '../activities/document/document.ts';
import { createJudge } from '../activities/evaluate/judge.ts';
import { createPlanCaptions } from '../activities/prepare/captions/plan.ts';
import { createPlanPreparation } from '../activities/prepare/plan.ts';
import { createAssembleDataset } from '../activities/prepare/publish.ts';
import { createPrepareShard } from '../activities/prepare/shard.ts';
import { createDeploy, createPublishRelease, createSettleDeploy } from '../activities/release/deploy.ts';
import { createOpenRelease } from '../activities/release/open-release.ts';
import { createRollBack } from '../activities/release/roll-back.ts';
import { createNotify, webhookOf } from '../activities/run/notify.ts';
import { createNameRelease, createOpenRun } from '../activities/run/open-run.ts';
import { createOpenStudy } from '../activities/tune/open-study.ts';
import { createRecordStudy } from '../activities/tune/record-study.ts';
import { createSuggest } from '../activities/tune/suggest.ts';
import { type Environment, pythonPath } from '../config/env.ts';
import { PYTHON_PACKAGE, workflowBundle } from '../config/paths.ts';
import type { PictureActivities, PipelineActivities } from '../domain/run/activities.ts';
import { DEPLOYMENT, PICTURES_QUEUE, PIPELINE_QUEUE } from '../domain/run/task-queues.ts';
import { createTrainer } from '../trainer/process.ts';
import { gpuPollers, hubFromEnvironment, servedClasses, workFolder } from './connect.ts';
import { current } from './current-activity.ts';
import { fleetQueues, sessionsOfRun } from './fleet.ts';
import { logLine } from './log-line.ts';
import { createOperations, isUnderWay, withOperations } from './operations.ts';
import { runWorker } from './run-worker.ts';

/** Serves queue `pipeline`, the workflows and every phase that needs no GPU, and queue `pictures`, a shard at a time. */
await runWorker('pipeline', async ({ env, client }) => {
  const hub = await hubFromEnvironment(env);
  const workDir = workFolder(env);
  mkdirSync(workDir, { recursive: true });
  const trainer = createTrainer({
    python: pythonPath(env),
    packageFolder: PYTHON_PACKAGE,
    log: logLine(env, 'suggest'),
  });
  const { heartbeat } = current;
  const preparation = { hub, workDir, heartbeat, signal: current.signal };
  const pictures: PictureActivities = { prepareShard: createPrepareShard(preparation) };
  const operations = createOperations(client, env);
  const releasing = {
    hub,
    onStep: heartbeat,
    signal: current.signal,
    spaceToken: env.PLEIN_AIR_SPACE_TOKEN ?? null,
  };
  const activities: PipelineActivities = {
    openRun: withOperations(
      createOpenRun({ hub, isUnderWay: (workflowId) => isUnderWay(client, workflowId) }),
      operations,
      (context, offered) => ({
        ...context,
        operations: offered,
      }),
    ),
    planPreparation: createPlanPreparation(preparation),
    planCaptions: createPlanCaptions(preparation),
    assembleDataset: createAssembleDataset(preparation),
    analyze: createAnalyze({ hub, heartbeat }),
    servedClasses: () => servedClasses(client),
    openStudy: createOpenStudy({ hub, gpuWorkers: () => gpuPollers(client) }),
    suggest: createSuggest({ trainer }),
    recordStudy: createRecordStudy({ hub, trainer }),
    judge: createJudge({ hub }),
    publishRelease: createPublishRelease(releasing),
    deploy: createDeploy(releasing),
    settleDeploy: createSettleDeploy({ ...releasing, signal: () => undefined }),
    nameRelease: withOperations(createNameRelease({ hub }), operations, (names, offered) => ({
      ...names,
      operations: offered,
    })),
    rollBack: createRollBack({
      ...releasing,
      operationId: () => activityInfo().workflowExecution?.runId ?? '',
    }),
    document: createDocument({
      hub,
      onStep: heartbeat,
      sessionsOf: sessionsOfRun(hub, env.PLEIN_AIR_FLEET),
    }),
    notify: createNotify({ webhook: webhookOf(env.PLEIN_AIR_WEBHOOK_URL, env.PLEIN_AIR_WEBHOOK_FORMAT) }),
    openRelease: withOperations(createOpenRelease({ hub }), operations, (production, offered) => ({
      ...production,
      operations: offered,
    })),
  };
  return {
    options: {
      taskQueue: PIPELINE_QUEUE,
      activities,
      workflowBundle: {
        codePath: workflowBundle({
          encrypted: env.PLEIN_AIR_CODEC_KEYS !== undefined,
          traced: env.OTEL_EXPORTER_OTLP_ENDPOINT !== undefined,
        }),
      },
      maxConcurrentActivityTaskExecutions: env.PLEIN_AIR_ACTIVITY_SLOTS,
      // A cached run costs about a megabyte here; one that is not cached costs a replay of its history.
      maxCachedWorkflows: 250,
      ...versioning(env),
    },
    // One shard at a time uses every core; more at once would only use more memory, and lose more when a worker dies.
    more: [
      { taskQueue: PICTURES_QUEUE, activities: pictures, maxConcurrentActivityTaskExecutions: 1 },
      ...(await fleetQueues(env, { client, hub, workDir })),
    ],
    close: () => trainer.close(),
  };
});

/** A versioned worker's runs stay with its code; `reevaluate` and `rollback`, which schedules start, move on to newer code. */
function versioning(env: Environment): Pick<WorkerOptions, 'workerDeploymentOptions'> {
  const buildId = env.PLEIN_AIR_BUILD_ID;
  if (buildId === undefined) return {};
  return {
    workerDeploymentOptions: {
      useWorkerVersioning: true,
      version: { deploymentName: DEPLOYMENT, buildId },
      defaultVersioningBehavior: 'PINNED',
    },
  };
}
