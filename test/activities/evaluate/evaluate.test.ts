import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { EVALUATION_FILES } from '../../../src/activities/evaluate/cache-key.ts';
import { createEvaluate } from '../../../src/activities/evaluate/evaluate.ts';
import { createJudge } from '../../../src/activities/evaluate/judge.ts';
import { createMeasureTrial } from '../../../src/activities/tune/measure-trial.ts';
import { createSuggest } from '../../../src/activities/tune/suggest.ts';
import { TuningConfig } from '../../../src/domain/config/tuning-config.ts';
import type { Evaluation } from '../../../src/domain/evaluation/decision.ts';
import { Verdict } from '../../../src/domain/evaluation/gate.ts';
import { EvaluationReport } from '../../../src/domain/evaluation/report.ts';
import { type CommitRef, type RepoRef, Sha256 } from '../../../src/domain/refs.ts';
import type { GpuProgress } from '../../../src/domain/run/activities.ts';
import type { RunContext } from '../../../src/domain/run/context.ts';
import type { VerbResult } from '../../../src/domain/trainer-protocol.ts';
import type { Training } from '../../../src/domain/training/training.ts';
import { sha256Of } from '../../../src/hub/hashing.ts';
import { readVerifiedBytes } from '../../../src/hub/verified-json.ts';
import type { Trainer } from '../../../src/trainer/trainer.ts';
import {
  type EvaluationStand,
  MODELS,
  openEvaluationStand,
  PICTURES,
  painted,
  unused,
} from '../evaluation-stand.ts';
import type { Stand } from '../training-stand.ts';

let stand: Stand;
let warm: Trainer;
let dataset: CommitRef;
let training: Training;
let contextOf: EvaluationStand['contextOf'];
/** An evaluation that nothing disturbs. */
let whole: Evaluation;
const beats: GpuProgress[] = [];

beforeAll(async () => {
  ({ stand, warm, dataset, training, contextOf } = await openEvaluationStand());
  whole = await evaluate('whole', { folder: 'whole', beat: (progress) => beats.push(progress) });
}, 400_000);
afterAll(() => stand.close());

function evaluate(
  run: string,
  p: {
    folder: string;
    trainer?: Trainer;
    beat?: (progress: GpuProgress) => void;
    change?: Partial<RunContext['config']>;
    of?: Training;
  },
): Promise<Evaluation> {
  return createEvaluate({
    hub: stand.hub,
    trainer: p.trainer ?? warm,
    workDir: join(stand.root, 'evaluators', p.folder),
    heartbeat: p.beat ?? (() => undefined),
  })({ context: contextOf(run, p.change), dataset, training: p.of ?? training });
}

/** A trainer that notes how many pictures each `sample` found done already. */
function noting(trainer: Trainer): { trainer: Trainer; reused: number[]; verbs: string[] } {
  const reused: number[] = [];
  const verbs: string[] = [];
  const call: Trainer['call'] = async (verb, params, options) => {
    const result = await trainer.call(verb, params, options);
    verbs.push(verb);
    if (verb === 'sample') reused.push((result as VerbResult<'sample'>).reused);
    return result;
  };
  return { trainer: { ...unused, call }, reused, verbs };
}

const recordOf = (run: string): RepoRef => ({ type: 'dataset', repo: contextOf(run).repos.record });
const judge = (run: string, evaluation: Evaluation, change: Partial<RunContext['config']> = {}) =>
  createJudge({ hub: stand.hub })({ context: contextOf(run, change), evaluation });

describe('an evaluation', () => {
  it('stores report, samples, adapter and key in one commit', async () => {
    expect(whole.report.commit).toBe(whole.adapter.commit);
    const report = EvaluationReport.parse(
      JSON.parse((await readVerifiedBytes(stand.hub, whole.report)).toString()),
    );
    expect(report.samples.count).toBe(PICTURES);
    expect(report.adapterSha256).toBe(whole.adapter.sha256);
    await readVerifiedBytes(stand.hub, whole.adapter);
    const files = await stand.hub.list(recordOf('whole'), whole.report.commit, 'evaluation');
    const paths = files.map(({ path }) => path);
    expect(paths.filter((path) => /^evaluation\/(base|candidate)\/.*\.png$/.test(path))).toHaveLength(
      2 * PICTURES,
    );
    expect(paths).toEqual(
      expect.arrayContaining(['key', 'samples'].map((name) => `evaluation/${name}.json`)),
    );
    expect(paths.filter((path) => path.startsWith('evaluation/adapter/'))).toHaveLength(2);
    for (const { picture } of report.closest) expect(paths).toContain(`evaluation/${picture}`);
  });

  it('is returned at once when it is asked for again, with no trainer and no commit', async () => {
    expect(await evaluate('whole', { folder: 'elsewhere', trainer: unused })).toEqual(whole);
  });

  it('is made anew when its report on the Hub is damaged', async () => {
    await evaluate('damaged', { folder: 'whole' });
    await stand.hub.commit({
      repo: recordOf('damaged'),
      message: 'Damage',
      files: [{ path: EVALUATION_FILES.report, content: '{}' }],
    });
    const again = await evaluate('damaged', { folder: 'whole' });
    expect(again.report.sha256).toBe(whole.report.sha256);
    await readVerifiedBytes(stand.hub, again.report);
  });

  it('takes the base pictures that another run shared, and gives the same report from an empty folder', async () => {
    const noted = noting(warm);
    const fresh = await evaluate('fresh', { folder: 'fresh', trainer: noted.trainer });
    // Base, candidate in the folder of its adapter (none there yet), then the second samplings.
    expect(noted.reused).toEqual([PICTURES, 0, 0, 0]);
    expect(fresh.report.sha256).toBe(whole.report.sha256);
    expect(fresh.adapter.sha256).toBe(whole.adapter.sha256);
  });

  it('goes on after a kill where it was, paints no picture twice and gives the same report', async () => {
    const victim = stand.newTrainer();
    let killed = false;
    const first = evaluate('killed', {
      folder: 'killed',
      trainer: victim,
      beat: ({ stage, done, total }) => {
        if (stage !== 'candidate samples' || done === 0 || done === total || victim.pid === null) return;
        killed = true;
        process.kill(victim.pid, 'SIGKILL');
      },
    });
    await expect(first).rejects.toMatchObject({ kind: 'TrainerDied' });
    expect(killed).toBe(true);
    const pictures = join(stand.root, 'evaluators', 'killed', 'pictures', 'sampling');
    const [folder = ''] = await readdir(pictures);
    const candidate = join(pictures, folder);
    const written = (await readdir(candidate)).filter(
      (name) => name.endsWith('.png') && !name.startsWith('.'),
    );
    const times = async () =>
      Promise.all(written.map(async (name) => (await stat(join(candidate, name))).mtimeMs));
    const before = await times();
    const noted = noting(warm);
    const second = await evaluate('killed', { folder: 'killed', trainer: noted.trainer });
    expect(written.length).toBeGreaterThan(0);
    expect(written.length).toBeLessThan(PICTURES);
    expect(noted.reused.slice(0, 2)).toEqual([PICTURES, written.length]);
    expect(await times()).toEqual(before);
    expect(second.report.sha256).toBe(whole.report.sha256);
  });

  it('replaces an evaluation of other inputs, and the verdict on it', async () => {
    const first = await evaluate('replaced', { folder: 'whole' });
    await judge('replaced', first);
    const change = { sabotage: 'zero-lora' as const };
    const second = await evaluate('replaced', { folder: 'whole', change });
    expect(second.adapter.sha256).not.toBe(first.adapter.sha256);
    const repo = recordOf('replaced');
    expect(await stand.hub.read(repo, second.report.commit, EVALUATION_FILES.verdict)).toBeNull();
  });

  it('refuses a checkpoint that is not the trained adapter', async () => {
    const of = { ...training, adapterSha256: Sha256.parse('0'.repeat(64)) };
    await expect(evaluate('swapped', { folder: 'whole', of })).rejects.toMatchObject({
      kind: 'Corrupt',
      message: expect.stringContaining('expected the trained adapter 0000'),
    });
  });

  it('refuses a model that was taught another trigger than it is asked with', async () => {
    const { trigger } = contextOf('taught').config.dataset;
    const manifest = {
      ...{ format: 1, key: sha256Of('key'), source: { repo: painted.repo, commit: dataset.commit } },
      ...{
        settings: { trigger: 'oil on canvas' },
        rows: 0,
        images: { train: 8, held_out: 2, test: 0, neighbors: 0 },
        dropped: {},
        bytesRead: 0,
        files: [],
      },
      nearestCrossSplit: null,
    };
    const files = [{ path: 'manifest.json', content: JSON.stringify(manifest) }];
    const commit = await stand.hub.commit({ repo: painted, message: 'Taught otherwise', files });
    const evaluateOn = createEvaluate({
      ...{ hub: stand.hub, trainer: unused, workDir: stand.root, heartbeat: () => undefined },
    });
    const asked = { context: contextOf('taught'), dataset: { ...painted, commit }, training };
    await expect(evaluateOn(asked)).rejects.toMatchObject({
      kind: 'InvalidInput',
      message: expect.stringContaining(`expected a dataset with the trigger "${trigger}"`),
    });
  });

  it('tells its stages with counts that never shrink', () => {
    const stages = [...new Set(beats.map((b) => b.stage))];
    expect(stages).toEqual(
      expect.arrayContaining([
        'base model',
        'exporting',
        'base samples',
        'candidate samples',
        'measuring',
        'storing',
      ]),
    );
    for (const stage of stages) {
      const done = beats.filter((b) => b.stage === stage).map((b) => b.done);
      expect(done).toEqual([...done].sort((a, b) => a - b));
    }
  });
});

describe('the measurement of a trial', () => {
  const measure = (of: Training, context = contextOf('trial', { tuning })) =>
    createMeasureTrial({
      hub: stand.hub,
      trainer: warm,
      workDir: join(stand.root, 'evaluators', 'trial'),
      heartbeat: () => undefined,
    })({ context, dataset, training: of });
  const tuning = TuningConfig.parse({
    objective: { goals: ['heldOutLoss', 'style'], maxCopying: 0.5, prompts: 4 },
  });

  it('gives the figures that goals and limits ask for, and the same when it runs again', async () => {
    const measures = await measure(training);
    expect(measures).toEqual({
      style: expect.any(Number),
      copying: expect.any(Number),
      diversity: null,
      adherence: null,
    });
    expect(await measure(training)).toEqual(measures);
  });

  it('measures with the encoder and models of a real profile where the run names them', async () => {
    const config = contextOf('real-trial').config;
    const evaluation = {
      ...{ ...config.evaluation, encoder: 'dinov2-base' as const },
      models: { ...config.evaluation.models, ...MODELS },
    };
    const objective = { ...tuning.objective, minDiversity: 0.1, minAdherence: 0.1 };
    const context = contextOf('real-trial', { evaluation, tuning: { ...tuning, objective } });
    const measures = await measure(training, context);
    for (const figure of Object.values(measures)) expect(figure).toEqual(expect.any(Number));
  });

  it('refuses another adapter, and one that was trained on another base', async () => {
    await expect(measure({ ...training, adapterSha256: Sha256.parse('0'.repeat(64)) })).rejects.toMatchObject(
      {
        kind: 'Corrupt',
        message: expect.stringContaining('expected the trained adapter 0000'),
      },
    );
    const context = contextOf('trial', { tuning });
    const { type, repo } = context.base;
    const files = [{ path: 'README.md', content: 'another commit' }];
    const commit = await stand.hub.commit({ repo: { type, repo }, message: 'Upload', files });
    await expect(measure(training, { ...context, base: { type, repo, commit } })).rejects.toMatchObject({
      kind: 'Corrupt',
      message: expect.stringContaining(`expected an adapter trained on base commit ${commit}`),
    });
  });

  it('says which encoder a limit needs that cannot be measured with this one', async () => {
    const words = TuningConfig.parse({ objective: { minAdherence: 0.2, prompts: 4 } });
    await expect(measure(training, contextOf('trial', { tuning: words }))).rejects.toMatchObject({
      kind: 'InvalidInput',
      message: expect.stringContaining('expected adherence to be measured'),
    });
  });
});

describe('the judge', () => {
  it('stores a verdict that names the adapter and the report', async () => {
    const gate = await judge('whole', whole);
    const verdict = Verdict.parse(JSON.parse((await readVerifiedBytes(stand.hub, gate.record)).toString()));
    expect(verdict).toMatchObject({
      verdict: gate.verdict,
      adapterSha256: whole.adapter.sha256,
      reportSha256: whole.report.sha256,
      problems: [],
    });
    expect(gate.reasons).toEqual([
      expect.stringMatching(/^LEDGER The first candidate for the first release: its bounds may err in 4 %/),
      ...verdict.rules.map((rule) => rule.sentence),
      ...(verdict.notApplicable ?? []),
    ]);
    expect(verdict.rulesSha256).toHaveLength(64);
  });

  it('says the same of the same report', async () => {
    const [a, b] = [await judge('whole', whole), await judge('whole', whole)];
    expect(b).toEqual(a);
  });

  it('fails an adapter without effect', async () => {
    const change = { sabotage: 'zero-lora' as const };
    const gate = await judge('zero', await evaluate('zero', { folder: 'whole', change }), change);
    expect(gate.verdict).toBe('FAIL');
    expect(gate.reasons.filter((reason) => reason.startsWith('FAIL')).join()).toContain('effect.pixels');
  });

  it('fails a good adapter put in the place of the judged one', async () => {
    const bytes = Buffer.from('another adapter');
    const path = EVALUATION_FILES.adapter;
    const repo = recordOf('whole');
    const commit = await stand.hub.commit({ repo, message: 'Swap', files: [{ path, content: bytes }] });
    const adapter = { ...repo, commit, path, sha256: sha256Of(bytes) };
    const gate = await judge('whole', { ...whole, adapter });
    expect(gate.verdict).toBe('FAIL');
    expect(gate.reasons[0]).toContain('Expected a report about adapter');
  });

  it('does not read a report whose bytes were edited', async () => {
    const edited = { ...whole.report, sha256: Sha256.parse('1'.repeat(64)) };
    await expect(judge('whole', { ...whole, report: edited })).rejects.toMatchObject({ kind: 'Corrupt' });
  });

  it('fails figures from another sample set', async () => {
    const gate = await judge('whole', whole, { seed: 8 });
    expect(gate.verdict).toBe('FAIL');
    expect(gate.reasons[0]).toContain('sample set');
  });
});

describe('a suggestion', () => {
  it("starts from the run's own values and goes on from the trials so far", async () => {
    const { context } = stand.request('trained');
    const config = { ...context.config, tuning: { ...context.config.tuning, strategy: 'random' as const } };
    const suggest = createSuggest({ trainer: warm });
    const first = await suggest({ context: { ...context, config }, trials: [] });
    const { learningRate, rank } = config.training;
    expect(first).toMatchObject({ next: 'trial', number: 0, parameters: { learningRate, rank }, toStep: 6 });
    const reports = [{ step: 6, values: [0.5], violations: [] }];
    const parameters = { learningRate, rank };
    const trials = [
      { number: 0, parameters, state: 'complete' as const, value: 0.5, reports, gpuSeconds: 1 },
    ];
    const second = await suggest({ context: { ...context, config }, trials });
    expect(second.number).toBe(1);
    expect(second.parameters).not.toEqual(first.parameters);
    expect(await suggest({ context: { ...context, config }, trials })).toEqual(second);
  });
});
