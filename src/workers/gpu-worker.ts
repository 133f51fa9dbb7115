import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createChooseCheckpoint } from '../activities/evaluate/choose-checkpoint.ts';
import { createEvaluate } from '../activities/evaluate/evaluate.ts';
import { createCaptionPictures } from '../activities/prepare/captions/caption.ts';
import { createTryRelease } from '../activities/release/try-candidate.ts';
import { createMakeVariants } from '../activities/release/variants.ts';
import { createTrain } from '../activities/train/train.ts';
import { createMeasureTrial } from '../activities/tune/measure-trial.ts';
import { dataFolder, type Environment, pythonPath } from '../config/env.ts';
import { PYTHON_PACKAGE } from '../config/paths.ts';
import type { GpuActivities } from '../domain/run/activities.ts';
import { classesServed, classOfMachine } from '../domain/run/gpu-class.ts';
import { type Accelerator, machineName } from '../domain/run/machine-name.ts';
import { GPU_QUEUE, gpuQueue } from '../domain/run/task-queues.ts';
import { GpuCheck } from '../domain/training/gpu-check.ts';
import { createTrainer } from '../trainer/process.ts';
import type { Trainer } from '../trainer/trainer.ts';
import { countedAttempts } from './attempts.ts';
import { hubFromEnvironment, workFolder } from './connect.ts';
import { current, currentActivity } from './current-activity.ts';
import { logLine, rememberActivity } from './log-line.ts';
import { OneAtATime } from './one-at-a-time.ts';
import { outgrown } from './outgrown.ts';
import { runReports } from './run-reports.ts';
import { runWorker } from './run-worker.ts';
import { progressGauges } from './telemetry.ts';

/** Where an NVIDIA driver shows itself: on Linux and in its containers, and on Windows' Linux. */
const DRIVERS = ['/dev/nvidiactl', '/dev/dxg'];

/** Serves queue `gpu` and those of its class of accelerator and the smaller ones, one activity at a time, with one warm trainer for the whole session. */
await runWorker('gpu', async ({ env, identity: given }) => {
  const hub = await hubFromEnvironment(env);
  const workDir = workFolder(env);
  mkdirSync(workDir, { recursive: true });
  const trainer = createTrainer({
    python: pythonPath(env),
    packageFolder: PYTHON_PACKAGE,
    processes: env.PLEIN_AIR_TRAINER_PROCESSES,
    log: logLine(env, 'trainer'),
  });
  const machine = await findAccelerator(trainer, logLine(env, 'gpu'));
  const identity = machine === null ? given : machineName(given, machine);
  const own = classOfMachine(machine?.vramBytes ?? null);
  const activities: GpuActivities = {
    captionPictures: createCaptionPictures({ hub, trainer, workDir, ...current }),
    train: createTrain({
      ...{ hub, trainer, workDir, activity: currentActivity, machine: identity, measured: readCheck(env) },
      log: logLine(env, 'train'),
    }),
    chooseCheckpoint: createChooseCheckpoint({ hub, trainer, workDir, ...current }),
    evaluate: createEvaluate({ hub, trainer, workDir, ...current }),
    measureTrial: createMeasureTrial({ hub, trainer, workDir, ...current }),
    makeVariants: createMakeVariants({ hub, trainer, workDir, ...current }),
    tryRelease: createTryRelease({ hub, trainer, workDir, ...current }),
  };
  const shared = new OneAtATime();
  const served = env.PLEIN_AIR_GPU_SESSION === undefined ? classesServed(own) : [own];
  const [first = GPU_QUEUE, ...others] = served.map((one) => gpuQueue(env.PLEIN_AIR_GPU_SESSION, one));
  const serving = (taskQueue: string) => ({
    taskQueue,
    activities,
    ...(others.length === 0 ? { maxConcurrentActivityTaskExecutions: 1 } : shared.options()),
    interceptors: {
      activity: [
        () => ({ inbound: shared.interceptor }),
        () => ({ inbound: rememberActivity }),
        () => ({ inbound: runReports(identity, [progressGauges()]) }),
        () => ({ inbound: countedAttempts }),
        () => ({ inbound: outgrown(own) }),
      ],
    },
  });
  return {
    identity,
    options: serving(first),
    more: others.map(serving),
    // A machine that is being taken away gives little time: training is told at once, checkpoints and uploads.
    unaskedSeconds: 0,
    close: () => trainer.close(),
  };
});

/** What `plein-air gpu-check` found on this machine; null: it was not run, or by another version. */
function readCheck(env: Environment): GpuCheck | null {
  try {
    const path = join(dataFolder(env), 'gpu-check', 'gpu-check.json');
    return GpuCheck.safeParse(JSON.parse(readFileSync(path, 'utf8'))).data ?? null;
  } catch {
    return null;
  }
}

/** The machine as the trainer finds it; null without a driver: the trainer is not asked then, it would import torch. */
async function findAccelerator(trainer: Trainer, log: (line: string) => void): Promise<Accelerator | null> {
  if (!DRIVERS.some((path) => existsSync(path))) return null;
  try {
    return await trainer.call('probe', {});
  } catch (error) {
    log(`the accelerator could not be asked for: ${error instanceof Error ? error.message : error}`);
    return null;
  }
}
