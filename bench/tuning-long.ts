/**
 * A long study on a real Temporal server with real asks and simulated trainings:
 * `npm run build && node scripts/ts.mjs bench/tuning-long.ts [trials] [strategy] [pruner] [parallel]`; JSON to stdout.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TestWorkflowEnvironment } from '@temporalio/testing';
import { DefaultLogger, Runtime, Worker } from '@temporalio/worker';
import { createSuggest } from '../src/activities/tune/suggest.ts';
import { pythonPath, readEnvironment, temporalPath } from '../src/config/env.ts';
import { PYTHON_PACKAGE, workflowBundle } from '../src/config/paths.ts';
import type { PipelineActivities, TrainRequest } from '../src/domain/run/activities.ts';
import type { StudyResult } from '../src/domain/tuning/study-result.ts';
import { createTrainer } from '../src/trainer/process.ts';
import { activities, trainingOf } from '../test/workflow/fakes.ts';

const [count = '1000', strategy = 'tpe', pruner = 'asha', parallel = '4'] = process.argv.slice(2);
Runtime.install({ logger: new DefaultLogger('ERROR', () => undefined) });
const folder = await mkdtemp(join(tmpdir(), 'plein-air-long-'));
const environment = await TestWorkflowEnvironment.createLocal({
  server: { executable: { type: 'existing-path', path: temporalPath(readEnvironment()) }, ui: false },
});
const { client } = environment;
const trainer = createTrainer({
  python: pythonPath(readEnvironment()),
  packageFolder: PYTHON_PACKAGE,
  log: () => undefined,
});

/** Seconds of each ask, by the number of trials that it knew. */
const asks: { known: number; ms: number }[] = [];
const ask = createSuggest({ trainer });
const suggest: PipelineActivities['suggest'] = async (p) => {
  const began = performance.now();
  const move = await ask(p);
  asks.push({ known: p.trials.length, ms: performance.now() - began });
  return move;
};

const stretches: string[] = [];
/** A loss that falls with steps, lowest at a learning rate of 3e-4; trials beyond 5e-3 diverge. */
async function train({ branch, parameters, stopAtStep }: TrainRequest) {
  const step = stopAtStep ?? 0;
  stretches.push(`${branch} ${step}`);
  const rate = Math.log10(Number(parameters.learningRate));
  const drop = Number(parameters.captionDropout);
  return trainingOf({
    step,
    heldOutLoss: (rate + 3.5) ** 2 + (drop - 0.1) ** 2 + 10 / (step + 10),
    gpuSeconds: step,
  });
}

/** The workflow run that a run of the study continued as; undefined: it was the last. */
async function nextRun(of: typeof client, runId: string): Promise<string | undefined> {
  const { events } = await of.workflow.getHandle('long', runId).fetchHistory();
  const last = events?.at(-1)?.workflowExecutionContinuedAsNewEventAttributes;
  return last?.newExecutionRunId ?? undefined;
}

const median = (values: number[]) => [...values].sort((a, b) => a - b)[values.length >> 1] ?? null;
try {
  const shared = {
    connection: environment.nativeConnection,
    activities: activities({ suggest, train }),
  };
  const pipeline = await Worker.create({
    ...shared,
    taskQueue: 'pipeline',
    workflowBundle: { codePath: workflowBundle() },
  });
  const gpu = await Worker.create({ ...shared, taskQueue: 'gpu' });
  const began = Date.now();
  const input = {
    training: { steps: 1000 },
    tuning: {
      strategy,
      pruner,
      trials: Number(count),
      steps: 90,
      parallel: Number(parallel),
      patience: null,
      space: {
        learningRate: { kind: 'float', low: 1e-5, high: 1e-2, log: true },
        captionDropout: { kind: 'float', low: 0, high: 0.3 },
        rank: { kind: 'categorical', choices: [4, 8, 16] },
        alpha: { kind: 'int', low: 4, high: 64, log: true, when: { field: 'rank', in: [16] } },
      },
    },
    budget: { gpuHours: 1000 },
  };
  const runs: { events: number; bytes: number }[] = [];
  const result = await pipeline.runUntil(
    gpu.runUntil(async () => {
      const handle = await client.workflow.start('tune', {
        taskQueue: 'pipeline',
        workflowId: 'long',
        args: [input],
      });
      const found = (await handle.result()) as StudyResult;
      let runId: string | undefined = handle.firstExecutionRunId;
      while (runId !== undefined) {
        const described = await client.workflow.getHandle('long', runId).describe();
        const { historyLength, historySizeBytes } = described.raw.workflowExecutionInfo ?? {};
        runs.push({ events: Number(historyLength), bytes: Number(historySizeBytes) });
        runId = await nextRun(client, runId);
      }
      return found;
    }),
  );
  const between = (low: number, high: number) =>
    median(asks.filter(({ known }) => known >= low && known < high).map(({ ms }) => ms));
  const n = Number(count);
  const rss = await readFile(`/proc/${trainer.pid}/status`, 'utf8').catch(() => '');
  console.log(
    JSON.stringify(
      {
        trials: result.trials.length,
        stretches: stretches.length,
        stretchesTwice: stretches.length - new Set(stretches).size,
        chosen: result.chosen,
        seconds: Math.round((Date.now() - began) / 1000),
        workflowRuns: runs.length,
        mostEvents: Math.max(...runs.map((run) => run.events)),
        largestHistoryMb: Number((Math.max(...runs.map((run) => run.bytes)) / 1e6).toFixed(2)),
        askMsMedianByTrialsKnown: {
          'first tenth': between(0, n / 10),
          middle: between(0.45 * n, 0.55 * n),
          'last tenth': between(0.9 * n, Number.POSITIVE_INFINITY),
        },
        askProcessMb: Math.round(Number(/VmHWM:\s+(\d+)/.exec(rss)?.[1] ?? 0) / 1000),
      },
      null,
      2,
    ),
  );
} finally {
  await trainer.close();
  await environment.teardown();
  await rm(folder, { recursive: true, force: true });
}
