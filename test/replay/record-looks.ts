/**
 * Records a run that has a release in production to stand against, chooses among checkpoints and needs a second look:
 * `npm run build && node scripts/ts.mjs test/replay/record-looks.ts FOLDER [DATA]`. FOLDER gets `fineTune.json`; DATA keeps
 * the stack's Hub, so that the evaluation's pages can be looked at.
 */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { historyToJSON } from '@temporalio/common/lib/proto-utils.js';
import { connectClient } from '../../src/cli/connect.ts';
import { seedStack } from '../../src/cli/seed.ts';
import { Stack } from '../../src/cli/stack/stack.ts';
import { readEnvironment } from '../../src/config/env.ts';
import type { RunResult } from '../../src/domain/run/run-result.ts';

const [folder = '', kept] = process.argv.slice(2);
const dataDir = kept ?? (await mkdtemp(join(tmpdir(), 'plein-air-record-')));
const stack = await Stack.start(dataDir, readEnvironment());

/** A gain right at what training gives: the first look cannot tell. */
const UNDECIDED = [
  { metric: 'kid.improvement', must: 'above', threshold: 0 },
  { metric: 'style.marginGain', must: 'above', threshold: 0.167 },
  { metric: 'style.marginGain', must: 'above', threshold: -0.08, against: 'production' },
];

function input(run: string, change: object): object {
  const tuning = { strategy: 'fixed' };
  return { run, profile: 'tiny', model: 'painter', tuning, deployment: { space: false }, ...change };
}

try {
  await seedStack(stack);
  stack.startWorker('pipeline');
  stack.startWorker('gpu');
  const client = await connectClient(dataDir);
  for (const [run, change] of [
    ['first', {}],
    ['looks', { seed: 1, gate: { rules: UNDECIDED } }],
  ] as const) {
    const args = [input(run, change)];
    await client.workflow.start('fineTune', { taskQueue: 'pipeline', workflowId: run, args });
    const { verdict, gate } = (await client.workflow.getHandle(run).result()) as RunResult;
    process.stderr.write(`${run}: ${verdict}\n${gate?.reasons.join('\n')}\n`);
  }
  await mkdir(folder, { recursive: true });
  const history = await client.workflow.getHandle('looks').fetchHistory();
  await writeFile(join(folder, 'fineTune.json'), historyToJSON(history));
} finally {
  await stack.stop();
  if (kept === undefined) await rm(dataDir, { recursive: true, force: true });
}
