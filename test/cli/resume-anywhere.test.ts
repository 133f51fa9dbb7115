import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { execa } from 'execa';
import { readBranch, type TrainingBranch } from '../../src/activities/train/branch.ts';
import { LOCAL_TOKEN, Stack } from '../../src/cli/stack/stack.ts';
import { processEnvironment, readEnvironment } from '../../src/config/env.ts';
import { PROJECT, TINY_BASE } from '../../src/config/paths.ts';
import { RepoId } from '../../src/domain/refs.ts';
import { connectHub } from '../../src/hub/client.ts';
import { seedGeneratedWikiArt } from '../../src/wikiart/synthetic/seed.ts';
import { seedTinyBase } from '../../src/wikiart/synthetic/seed-base.ts';
import { until } from '../chaos/lib/fleet.ts';
import { SHORT_RUN } from '../chaos/lib/short-run.ts';

/** The whole stack twice: the second time with a Temporal server that has never heard of the run. */
let dataDir: string;
let stack: Stack;

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'plein-air-resume-'));
  stack = await Stack.start(dataDir, readEnvironment());
  const hub = { hubUrl: stack.hubUrl, accessToken: LOCAL_TOKEN };
  await seedGeneratedWikiArt({
    ...{ ...hub, repo: 'plein-air/generated-wikiart', images: 160, workDir: join(dataDir, 'generated') },
  });
  await seedTinyBase({ ...hub, repo: 'plein-air/tiny-flux', folder: TINY_BASE });
  stack.startWorker('pipeline');
}, 600_000);
afterAll(async () => {
  await stack.stop();
  await rm(dataDir, { recursive: true, force: true });
}, 120_000);

async function pleinAir(...args: string[]): Promise<Record<string, unknown>> {
  const main = join(PROJECT, 'dist', 'cli', 'main.js');
  const { stdout } = await execa(process.execPath, [main, ...args, '--data-dir', dataDir, '--json'], {
    // Without an accelerator, whatever this machine has: the tiny base is what the stack holds.
    env: { ...processEnvironment(), NODE_OPTIONS: '', CUDA_VISIBLE_DEVICES: '' },
  });
  return JSON.parse(stdout);
}

const branchOf = (run: string): TrainingBranch => ({
  hub: connectHub({ endpoint: stack.hubUrl, accessToken: LOCAL_TOKEN }),
  repo: { type: 'model', repo: RepoId.parse(`plein-air/${run}-checkpoints`) },
  name: 'main',
});

async function start(run: string): Promise<void> {
  await pleinAir('start', '--run', run, '--profile', 'auto', '--input', JSON.stringify(SHORT_RUN));
}

const resultOf = (run: string) =>
  until(`${run} is trained`, async () => {
    const { ledger } = await readBranch(branchOf(run));
    return ledger.result;
  });

it('goes on from the Hub alone: Temporal’s database wiped, every machine gone, the run cut off in its training', async () => {
  let gpu = stack.startWorker('gpu');
  await start('phoenix');
  const saved = await until('a checkpoint is on the Hub', async () => {
    const { checkpoints } = await readBranch(branchOf('phoenix')).catch(() => ({ checkpoints: [] }));
    return checkpoints[0] ?? null;
  });
  await gpu.kill();
  await stack.stop();
  for (const ending of ['', '-shm', '-wal']) await rm(join(dataDir, `temporal.db${ending}`), { force: true });
  await rm(join(dataDir, 'work'), { recursive: true, force: true });

  stack = await Stack.start(dataDir, readEnvironment());
  // A server this young may not list yet.
  expect(await until('the new server answers', () => pleinAir('status'))).toEqual([]);
  stack.startWorker('pipeline');
  gpu = stack.startWorker('gpu');
  expect(
    await pleinAir('resume', 'phoenix', '--gpu-hours', '2', '--accept-difference', 'software.torch'),
  ).toEqual({
    run: 'phoenix',
    resumed: 'restarted',
  });
  const result = await resultOf('phoenix');
  const { ledger } = await readBranch(branchOf('phoenix'));
  expect(ledger.attempts.at(-1)?.resumedFrom).toBeGreaterThanOrEqual(saved.step);
  const record = await branchOf('phoenix').hub.read(
    { type: 'dataset', repo: RepoId.parse('plein-air/phoenix-record') },
    'main',
    'records/run.json',
  );
  expect(JSON.parse(record?.toString() ?? '{}')).toMatchObject({
    config: {
      profile: 'tiny',
      budget: { gpuHours: 2 },
      checkpoints: { acceptDifferences: ['software.torch'] },
    },
    amendments: [{ changed: { checkpoints: { acceptDifferences: ['software.torch'] } } }],
  });
  await pleinAir('cancel', 'phoenix');

  await start('undisturbed');
  expect((await resultOf('undisturbed')).adapterSha256).toBe(result.adapterSha256);
  await gpu.kill();
}, 900_000);
