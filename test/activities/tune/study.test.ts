import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { trialSamples } from '../../../src/activities/tune/measure-trial.ts';
import { createOpenStudy } from '../../../src/activities/tune/open-study.ts';
import { createRecordStudy } from '../../../src/activities/tune/record-study.ts';
import { parseRunConfig, type RunConfig } from '../../../src/domain/config/run-config.ts';
import type { RunContext } from '../../../src/domain/run/context.ts';
import type { Trial } from '../../../src/domain/tuning/search-space.ts';
import { StoredStudy } from '../../../src/domain/tuning/stored-study.ts';
import { newStudy, type StudyInsight, type StudyState } from '../../../src/domain/tuning/study.ts';
import { connectHub } from '../../../src/hub/client.ts';
import type { Hub } from '../../../src/hub/hub.ts';
import { startLocalHub } from '../../../src/local-hub/server.ts';
import type { Trainer } from '../../../src/trainer/trainer.ts';
import { contextOf } from '../../workflow/fakes.ts';

let root: string;
let server: Awaited<ReturnType<typeof startLocalHub>>;
let hub: Hub;

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'study-'));
  server = await startLocalHub({ root: join(root, 'hub') });
  hub = connectHub({ endpoint: server.url, accessToken: 'hf_local_plein_air' });
});
afterAll(async () => {
  await server.close();
  await rm(root, { recursive: true, force: true });
});

function context(run: string, input: object = {}): RunContext {
  const parsed = parseRunConfig({ run, ...input });
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.problems));
  return contextOf(parsed.value, run);
}

const insight: StudyInsight = {
  importances: [{ field: 'learningRate', importance: 0.8 }],
  certainty: [{ rival: 0, meanDifference: 0.02, probability: 0.91, seeds: 2 }],
  rankAgreement: [{ step: 10, trials: 3, tau: 0.67 }],
};

/** The trainer's part is the verb `assess` alone. */
const assessing = {
  pid: null,
  call: async () => insight,
  close: async () => undefined,
} as unknown as Trainer;

const trial = (number: number, rank: number, values: [number, number][]): Trial => ({
  number,
  parameters: { learningRate: 1e-3 * (number + 1), rank },
  state: values.length === 2 ? 'complete' : 'paused',
  value: values.at(-1)?.[1] ?? null,
  reports: values.map(([step, value]) => ({ step, values: [value], violations: [] })),
  gpuSeconds: 4,
});

const study: StudyState = {
  ...newStudy({ earlier: [], enqueue: [], parallel: 2 }),
  trials: [
    trial(0, 8, [
      [10, 0.6],
      [40, 0.5],
    ]),
    trial(1, 16, [
      [10, 0.5],
      [40, 0.4],
    ]),
    trial(2, 4, [[10, 0.9]]),
    { ...trial(3, 32, []), state: 'infeasible' },
  ],
  confirmations: [
    { trial: 1, seed: 5, value: 0.41, gpuSeconds: 4 },
    { trial: 0, seed: 5, value: 0.45, gpuSeconds: 4 },
  ],
  stopped: 'all 4 trials were tried',
};

const record = (of: RunContext) =>
  createRecordStudy({ hub, trainer: assessing })({ context: of, study, chosen: 1 });
const open = (of: RunContext, workers = 3) =>
  createOpenStudy({ hub, gpuWorkers: async () => workers })({ context: of });

describe('a recorded study', () => {
  it('holds every figure and a page drawn from them, the same bytes each time', async () => {
    const of = context('recorded', { tuning: { steps: 40 } });
    const first = await record(of);
    const again = await record(of);
    expect(again.record.sha256).toBe(first.record.sha256);
    expect(again.report.sha256).toBe(first.report.sha256);
    const read = async (path: string) =>
      (await hub.read(first.record, first.record.commit, path))?.toString() ?? '';
    const stored = StoredStudy.parse(JSON.parse(await read('study/study.json')));
    expect(stored).toMatchObject({ chosen: 1, insight, stopped: 'all 4 trials were tried' });
    expect(stored.trials).toEqual(study.trials);
    const page = await read('study/index.html');
    for (const words of ['91 % sure', 'Kendall', '1 (chosen)', 'infeasible', 'seed 5', 'learningRate'])
      expect(page).toContain(words);
    const files = (await hub.list(first.record, first.record.commit, 'study')).map(({ path }) => path);
    for (const plot of ['history', 'parallel', 'importances', 'rungs'])
      expect(files).toContain(`study/plots/study-${plot}.svg`);
  });
});

describe('opening a study', () => {
  it('takes as many trials at a time as it is told, else as there are GPU workers, and at least one', async () => {
    const at = async (parallel: number | null, workers: number) =>
      (await open(context('count', { tuning: { parallel } }), workers)).parallel;
    expect(await at(5, 1)).toBe(5);
    expect(await at(null, 3)).toBe(3);
    expect(await at(null, 0)).toBe(1);
  });

  it('takes over the trials of an earlier study whose values compare', async () => {
    await record(context('earlier', { tuning: { steps: 40 } }));
    const found = await open(context('later', { tuning: { steps: 40, warmStart: 'earlier' } }));
    expect(found.earlier.map(({ number }) => number)).toEqual([0, 1, 2, 3]);
    expect(found.enqueue).toEqual([]);
  });

  it.each<[string, Partial<Record<keyof RunConfig, object>>]>([
    ['trials of other lengths', { tuning: { steps: 20 } }],
    ['other data', { tuning: { steps: 40 }, dataset: { style: 'Cubism' } }],
    ['another objective', { tuning: { steps: 40, objective: { goals: ['style'] } } }],
  ])('of a study on %s takes over its winner alone, as a trial of its own', async (_, input) => {
    await record(context('different', { tuning: { steps: 40 } }));
    const tuning = { ...input.tuning, warmStart: 'different', enqueue: [{ rank: 4 }] };
    const found = await open(context('later', { ...input, tuning }));
    expect(found.earlier).toEqual([]);
    expect(found.enqueue).toEqual([{ rank: 4 }, { learningRate: 0.002, rank: 16 }]);
  });

  it('refuses a warm start from a run without a finished study, and says where it looked', async () => {
    await expect(open(context('later', { tuning: { warmStart: 'nobody' } }))).rejects.toMatchObject({
      kind: 'InvalidInput',
      message: expect.stringContaining('nobody-record'),
    });
  });
});

describe('a trial’s samples', () => {
  it('are one a prompt, spread over the standard set, as many as were asked for', () => {
    const of = (prompts: number) =>
      trialSamples({ context: context('samples', { tuning: { objective: { prompts } } }) });
    const all = of(1000);
    expect(new Set(all.map(({ promptId }) => promptId)).size).toBe(all.length);
    const some = of(4);
    expect(some).toHaveLength(4);
    expect(all.indexOf(all.find(({ id }) => id === some[3]?.id) as (typeof all)[0])).toBeGreaterThan(
      all.length / 2,
    );
    expect(some.every((sample) => all.some(({ id }) => id === sample.id))).toBe(true);
  });
});
