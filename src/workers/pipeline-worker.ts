import { mkdirSync } from 'node:fs';
import { activityInfo } from '@temporalio/activity';
import { createAnalyse } from '../activities/analyse.ts';
import { createDeploy } from '../activities/deploy.ts';
import { createDocument } from '../activities/document.ts';
import { createJudge } from '../activities/judge.ts';
import { createOpenRelease } from '../activities/open-release.ts';
import { createNameRelease, createOpenRun } from '../activities/open-run.ts';
import { createPrepare } from '../activities/prepare.ts';
import { createPlanPreparation } from '../activities/prepare-plan.ts';
import { createAssembleDataset } from '../activities/prepare-publish.ts';
import { createPrepareShard } from '../activities/prepare-shard.ts';
import { createRollBack } from '../activities/roll-back.ts';
import { createSuggest } from '../activities/suggest.ts';
import { pythonPath, readEnvironment } from '../config/env.ts';
import { PYTHON_PACKAGE, WORKFLOW_BUNDLE } from '../config/paths.ts';
import type { PictureActivities, PipelineActivities } from '../domain/activities.ts';
import { PICTURES_QUEUE, PIPELINE_QUEUE } from '../domain/task-queues.ts';
import { createTrainer } from '../trainer/process.ts';
import { hubFromEnvironment, logLine, workFolder } from './connect.ts';
import { current, runWorker } from './run-worker.ts';

/** Serves queue `pipeline`, the workflows and every phase that needs no GPU, and queue `pictures`, a shard at a time. */
await runWorker('pipeline', () => {
  const env = readEnvironment();
  const hub = hubFromEnvironment(env);
  const workDir = workFolder(env);
  mkdirSync(workDir, { recursive: true });
  const trainer = createTrainer({
    python: pythonPath(env),
    packageFolder: PYTHON_PACKAGE,
    log: logLine('suggest'),
  });
  const { heartbeat } = current;
  const preparation = { hub, workDir, heartbeat, signal: current.signal };
  const pictures: PictureActivities = { prepareShard: createPrepareShard(preparation) };
  const activities: PipelineActivities = {
    openRun: createOpenRun({ hub }),
    prepare: createPrepare(preparation),
    planPreparation: createPlanPreparation(preparation),
    assembleDataset: createAssembleDataset(preparation),
    analyse: createAnalyse({ hub, heartbeat }),
    suggest: createSuggest({ trainer }),
    judge: createJudge({ hub }),
    deploy: createDeploy({ hub, onStep: heartbeat }),
    nameRelease: createNameRelease({ hub }),
    rollBack: createRollBack({
      hub,
      onStep: heartbeat,
      operationId: () => activityInfo().workflowExecution?.runId ?? '',
    }),
    document: createDocument({ hub, onStep: heartbeat }),
    openRelease: createOpenRelease({ hub }),
  };
  return {
    options: {
      taskQueue: PIPELINE_QUEUE,
      activities,
      workflowBundle: { codePath: WORKFLOW_BUNDLE },
      maxConcurrentActivityTaskExecutions: 4,
    },
    // One shard at a time uses every core; more at once would only use more memory, and lose more when a worker dies.
    more: [{ taskQueue: PICTURES_QUEUE, activities: pictures, maxConcurrentActivityTaskExecutions: 1 }],
    close: () => trainer.close(),
  };
});
