/**
 * ASHA on the tiny FLUX against every trial in full, on the whole embedded stack with real trainings:
 * `npm run build && node scripts/ts.mjs bench/tuning-asha.ts [trials] [steps] [lowest rung] [seed]`; JSON to stdout.
 * Both studies try the same trials (a Sobol sequence, which looks at no figure), so that what ASHA missed can be said.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connectClient } from '../src/cli/connect.ts';
import { seedStack } from '../src/cli/seed.ts';
import { Stack } from '../src/cli/stack/stack.ts';
import { readEnvironment } from '../src/config/env.ts';
import type { StudyResult } from '../src/domain/tuning/study-result.ts';

const [trials = 12, steps = 54, minSteps = 6, seed = 0] = process.argv.slice(2).map(Number);
const dataDir = await mkdtemp(join(tmpdir(), 'plein-air-asha-'));
const stack = await Stack.start(dataDir, readEnvironment());
const say = (line: string) => process.stderr.write(`${line}\n`);

function input(run: string, pruner: object): object {
  return {
    run,
    profile: 'tiny',
    seed,
    training: { checkpointEvery: 300, heldOutEvery: 300, sampleEvery: 0 },
    tuning: {
      strategy: 'random',
      trials,
      steps,
      parallel: 1,
      seeds: 0,
      patience: null,
      space: {
        learningRate: { kind: 'float', low: 3e-5, high: 1e-2, log: true },
        rank: { kind: 'categorical', choices: [2, 4, 8, 16] },
        captionDropout: { kind: 'float', low: 0, high: 0.3 },
      },
      ...pruner,
    },
  };
}

/** Steps of training that a study paid for: each trial to its highest rung, promoted ones from their checkpoint. */
function spent({ trials: all }: StudyResult): number {
  return all.reduce((sum, trial) => sum + (trial.reports.at(-1)?.step ?? 0), 0);
}

try {
  await seedStack(stack);
  stack.startWorker('pipeline');
  stack.startWorker('gpu');
  const client = await connectClient(dataDir);
  const study = async (run: string, pruner: object): Promise<StudyResult> => {
    const began = Date.now();
    const args = [input(run, pruner)];
    await client.workflow.start('tune', { taskQueue: 'pipeline', workflowId: run, args });
    const result = (await client.workflow.getHandle(run).result()) as StudyResult;
    say(
      `${run}: ${((Date.now() - began) / 1000).toFixed(0)} s, ${spent(result)} steps, trial ${result.chosen}`,
    );
    return result;
  };
  const full = await study('full', { pruner: 'none' });
  const asha = await study('asha', { pruner: 'asha', prunerOptions: { minSteps } });
  const valueInFull = (number: number) => full.trials[number]?.value ?? Number.NaN;
  const values = full.trials.flatMap(({ value }) => (value === null ? [] : [value]));
  const same = asha.trials.filter(({ state }) => state === 'complete');
  console.log(
    JSON.stringify(
      {
        trials,
        rungs: [...new Set(asha.trials.flatMap((t) => t.reports.map((r) => r.step)))].sort((a, b) => a - b),
        stepsInFull: spent(full),
        stepsWithAsha: spent(asha),
        part: Number((spent(asha) / spent(full)).toFixed(3)),
        winnerInFull: full.chosen,
        winnerWithAsha: asha.chosen,
        regret: valueInFull(asha.chosen) - Math.min(...values),
        spreadOfValues: Math.max(...values) - Math.min(...values),
        wholeTrialsEqualBitForBit: same.every(({ number, value }) => value === valueInFull(number)),
        wholeTrialsWithAsha: same.length,
        rankAgreement: asha.record?.insight.rankAgreement,
        gpuSeconds: [full, asha].map((s) => Math.round(s.trials.reduce((sum, t) => sum + t.gpuSeconds, 0))),
        values: full.trials.map(({ value }) => value),
      },
      null,
      2,
    ),
  );
} finally {
  await stack.stop();
  await rm(dataDir, { recursive: true, force: true });
}
