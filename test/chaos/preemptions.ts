/**
 * One run that is preempted again and again: how long its history gets. `node scripts/ts.mjs test/chaos/preemptions.ts`
 * does 1,000; the tests do fewer. The workflow, the server and the reporter are real, the training is not.
 */
import { pathToFileURL } from 'node:url';
import { ApplicationFailure, Context } from '@temporalio/activity';
import { Worker } from '@temporalio/worker';
import type { RunStatus } from '../../src/domain/run/run-result.ts';
import { reportProgress, runReports } from '../../src/workers/run-reports.ts';
import { devServer } from '../temporal/dev-server.ts';
import { bundle } from '../workflow/environment.ts';
import { activities, contextOf, trainingOf } from '../workflow/fakes.ts';

/** Preempts a run so often; resolves to its history's length and what its status says. */
export async function preempt(times: number): Promise<{ events: number; bytes: number; status: RunStatus }> {
  const [environment, workflowBundle] = await Promise.all([devServer(), bundle()]);
  const operations = { searchAttributes: true, notifications: true };
  const steps = activities({
    openRun: async ({ config, workflowId }) => ({ ...contextOf(config, workflowId), operations }),
    train: async () => {
      const { attempt } = Context.current().info;
      const progress = {
        stage: 'train',
        done: attempt,
        total: times + 1,
        etaSeconds: 1,
        metrics: { step: attempt, preemptions: attempt - 1 },
        lastCheckpoint: { step: attempt, commit: 'c'.repeat(40), at: Date.now() },
      };
      Context.current().heartbeat(progress);
      reportProgress(progress);
      if (attempt > times) return trainingOf({ preemptions: times });
      throw ApplicationFailure.create({ type: 'TrainerDied', message: 'preempted', nextRetryDelay: 5 });
    },
  });
  const connection = environment.nativeConnection;
  const reports = { activity: [() => ({ inbound: runReports('gpu', []) })] };
  const pipeline = await Worker.create({
    connection,
    activities: steps,
    taskQueue: 'pipeline',
    workflowBundle,
  });
  const gpu = await Worker.create({ connection, activities: steps, taskQueue: 'gpu', interceptors: reports });
  try {
    return await pipeline.runUntil(
      gpu.runUntil(async () => {
        const handle = await environment.client.workflow.start('fineTune', {
          taskQueue: 'pipeline',
          workflowId: `preempted-${times}`,
          args: [{ tuning: { strategy: 'fixed' } }],
        });
        await handle.result();
        const { historyLength, historySize } = await handle.describe();
        return {
          events: historyLength,
          bytes: historySize ?? 0,
          status: await handle.query<RunStatus>('status'),
        };
      }),
    );
  } finally {
    await environment.teardown();
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const times = Number(process.argv[2] ?? 1000);
  const started = Date.now();
  const { events, bytes } = await preempt(times);
  const seconds = ((Date.now() - started) / 1000).toFixed(0);
  process.stdout.write(
    `${times} preemptions: ${events} history events, ${bytes} bytes, in ${seconds} s (limit 10,240 events)\n`,
  );
  process.exit(events < 10_240 ? 0 : 1);
}
