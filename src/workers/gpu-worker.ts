import { mkdirSync } from 'node:fs';
import { Context } from '@temporalio/activity';
import { createEvaluate } from '../activities/evaluate.ts';
import { createTrain } from '../activities/train.ts';
import { pythonPath, readEnvironment } from '../config/env.ts';
import { PYTHON_PACKAGE } from '../config/paths.ts';
import type { GpuActivities } from '../domain/activities.ts';
import { GPU_QUEUE } from '../domain/task-queues.ts';
import { createTrainer } from '../trainer/process.ts';
import { hubFromEnvironment, logLine, workFolder } from './connect.ts';
import { current, runWorker } from './run-worker.ts';

/** Serves queue `gpu`, one activity at a time, with one warm trainer for the whole session. */
await runWorker('gpu', () => {
  const env = readEnvironment();
  const hub = hubFromEnvironment(env);
  const workDir = workFolder(env);
  mkdirSync(workDir, { recursive: true });
  const trainer = createTrainer({
    python: pythonPath(env),
    packageFolder: PYTHON_PACKAGE,
    log: logLine('trainer'),
  });
  const activities: GpuActivities = {
    train: createTrain({ hub, trainer, workDir, activity: () => Context.current(), log: logLine('train') }),
    evaluate: createEvaluate({ hub, trainer, workDir, ...current }),
  };
  return {
    options: { taskQueue: GPU_QUEUE, activities, maxConcurrentActivityTaskExecutions: 1 },
    // A machine that is being taken away gives little time: training is told at once, checkpoints and uploads.
    unaskedSeconds: 0,
    close: () => trainer.close(),
  };
});
