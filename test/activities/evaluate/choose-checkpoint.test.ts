import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createChooseCheckpoint } from '../../../src/activities/evaluate/choose-checkpoint.ts';
import { createEvaluate } from '../../../src/activities/evaluate/evaluate.ts';
import type { RunConfig } from '../../../src/domain/config/run-config.ts';
import {
  CHOICE_FILE,
  CheckpointChoice,
  earliestWinner,
  scoreOf,
} from '../../../src/domain/evaluation/checkpoint-ranking.ts';
import { EvaluationReport } from '../../../src/domain/evaluation/report.ts';
import { choiceSamples } from '../../../src/domain/evaluation/sample-set.ts';
import type { ChosenCheckpoint } from '../../../src/domain/run/activities.ts';
import type { VerbParams } from '../../../src/domain/trainer-protocol.ts';
import { formatMetricLog, parseMetricLog } from '../../../src/domain/training/metric-log.ts';
import type { Training } from '../../../src/domain/training/training.ts';
import { sha256Of } from '../../../src/hub/hashing.ts';
import { readVerified } from '../../../src/hub/verified-json.ts';
import type { Trainer } from '../../../src/trainer/trainer.ts';
import { type EvaluationStand, MODELS, openEvaluationStand, unused } from '../evaluation-stand.ts';

let at: EvaluationStand;
let chosen: ChosenCheckpoint;

function choose(
  run: string,
  p: { trainer?: Trainer; change?: Partial<RunConfig> } = {},
): Promise<ChosenCheckpoint> {
  const choice = createChooseCheckpoint({
    ...{ hub: at.stand.hub, trainer: p.trainer ?? at.warm },
    workDir: join(at.stand.root, 'choosers', run),
    heartbeat: () => undefined,
  });
  return choice({ context: at.contextOf(run, p.change), dataset: at.dataset, training: at.training });
}

/** The training with held-out losses that differ by noise alone: any of its checkpoints may be the best. */
async function flattened({ stand, training }: EvaluationStand): Promise<Training> {
  const { type, repo, commit } = training.checkpoint;
  const log = parseMetricLog(String(await stand.hub.read({ type, repo }, commit, 'metrics.jsonl')));
  const flat = log.map((line) => {
    const noise = (name: string) => (Number(name.slice(-2)) % 2 === 0 ? 0.01 : -0.01) * (line.step % 3);
    const values = Object.entries(line.values).map(([name, value]) => [
      name,
      name === 'heldOutLoss'
        ? 0.5 - line.step * 1e-6
        : /^heldOutLoss\.\d+$/.test(name)
          ? 0.5 + noise(name)
          : value,
    ]);
    return { ...line, values: Object.fromEntries(values) as Record<string, number> };
  });
  const files = [{ path: 'metrics.jsonl', content: formatMetricLog(flat) }];
  const changed = await stand.hub.commit({ repo: { type, repo }, message: 'Flat losses', files });
  return { ...training, checkpoint: { type, repo, commit: changed } };
}

beforeAll(async () => {
  // A held-out loss and a checkpoint every five steps, all of them kept: there is something to choose from.
  at = await openEvaluationStand((request) => {
    const { context } = request;
    const training = { ...context.config.training, heldOutEvery: 5, keepCheckpoints: 8, learningRate: 0.02 };
    return { ...request, context: { ...context, config: { ...context.config, training } } };
  });
  at = { ...at, training: await flattened(at) };
  chosen = await choose('choice');
}, 400_000);
afterAll(() => at.stand.close());

describe('the choice of a checkpoint', () => {
  it('samples those near the least held-out loss and takes the earliest that wins', async () => {
    const choice = await readVerified(at.stand.hub, chosen.record ?? never(), CheckpointChoice);
    const steps = choice.sampled.map(({ step }) => step);
    expect(steps.length).toBeGreaterThan(1);
    expect(steps.length).toBeLessThanOrEqual(at.contextOf('choice').config.evaluation.checkpoints);
    const least = choice.curve.reduce((a, b) => (b.loss < a.loss ? b : a));
    for (const { heldOutLoss } of choice.sampled) expect(heldOutLoss).toBeCloseTo(least.loss, 3);
    expect(choice.chosen).toBe(earliestWinner(choice.sampled)?.step);
    expect(choice.reason).toContain(`step ${choice.chosen} of`);
    expect(choice.sampled.map((one) => scoreOf(one).score).every(Number.isFinite)).toBe(true);
  });

  it('measures the adapters that the checkpoints hold, on prompts of choices only', async () => {
    const choice = await readVerified(at.stand.hub, chosen.record ?? never(), CheckpointChoice);
    const { type, repo, commit } = at.training.checkpoint;
    for (const { path, adapterSha256 } of choice.sampled) {
      const bytes = await at.stand.hub.read(
        { type, repo },
        commit,
        `${path}/pytorch_lora_weights.safetensors`,
      );
      expect(sha256Of(bytes ?? Buffer.alloc(0))).toBe(adapterSha256);
    }
    expect(new Set(choice.sampled.map(({ adapterSha256 }) => adapterSha256)).size).toBe(
      choice.sampled.length,
    );
    const [folder = ''] = await readdir(join(at.stand.root, 'choosers', 'choice', 'choices'));
    const painted = await readdir(join(at.stand.root, 'choosers', 'choice', 'choices', folder, 'base'));
    const open = choiceSamples(at.contextOf('choice').config).map(({ id }) => `${id}.png`);
    expect(painted.filter((name) => name.endsWith('.png')).sort()).toEqual(open.sort());
  });

  it('is what goes to the gate: the evaluation exports the chosen adapter', async () => {
    const choice = await readVerified(at.stand.hub, chosen.record ?? never(), CheckpointChoice);
    const winner = choice.sampled.find(({ step }) => step === choice.chosen);
    expect(chosen.training).toEqual({
      ...at.training,
      ...{ step: choice.chosen, path: winner?.path },
      ...{ adapterSha256: winner?.adapterSha256, heldOutLoss: winner?.heldOutLoss },
    });
    const evaluate = createEvaluate({
      ...{ hub: at.stand.hub, trainer: at.warm, heartbeat: () => undefined },
      workDir: join(at.stand.root, 'evaluator'),
    });
    const { context, dataset } = { context: at.contextOf('choice'), dataset: at.dataset };
    const evaluation = await evaluate({ context, dataset, training: chosen.training });
    const report = await readVerified(at.stand.hub, evaluation.report, EvaluationReport);
    expect(report.metrics['heldOut.loss']?.estimate).toBeCloseTo(winner?.heldOutLoss ?? 0, 6);
  }, 120_000);

  it('is returned at once when it is asked for again, with no trainer', async () => {
    const again = await choose('choice', { trainer: unused });
    // The evaluation was stored meanwhile, so the same record stands at a newer commit.
    const commit = expect.any(String);
    expect(again).toEqual({ ...chosen, record: { ...chosen.record, commit } });
  });

  it('comes out the same after a kill in the middle, and goes on with the pictures that are there', async () => {
    const victim = at.stand.newTrainer();
    let measured = 0;
    const dying: Trainer = {
      ...unused,
      call: (verb, params, options) => {
        measured += verb === 'evaluate' ? 1 : 0;
        // The second checkpoint's pictures are there and are being looked at.
        const onEvent: NonNullable<typeof options>['onEvent'] = (event) => {
          options?.onEvent?.(event);
          if (verb === 'evaluate' && measured === 2 && victim.pid !== null)
            process.kill(victim.pid, 'SIGKILL');
        };
        return victim.call(verb, params, { ...options, onEvent });
      },
    };
    const first = choose('killed', { trainer: dying });
    await expect(first).rejects.toMatchObject({ kind: 'TrainerDied' });
    const again = await choose('killed');
    expect(again.training).toEqual(chosen.training);
    const [a, b] = await Promise.all(
      [chosen, again].map((one) => readVerified(at.stand.hub, one.record ?? never(), CheckpointChoice)),
    );
    expect(b).toEqual(a);
  }, 120_000);

  it('measures with the encoder and in the spaces that the gate will use', async () => {
    const asked: unknown[] = [];
    const noting: Trainer = {
      ...unused,
      call: (verb, params, options) => {
        if (verb === 'evaluate')
          asked.push((params as VerbParams<'evaluate'>).models.map(({ role }) => role));
        return at.warm.call(verb, params, options);
      },
    };
    const evaluation = { ...at.contextOf('real').config.evaluation, encoder: 'dinov2-base' as const };
    const real = await choose('real', {
      trainer: noting,
      change: { evaluation: { ...evaluation, models: { ...evaluation.models, ...MODELS } } },
    });
    const choice = await readVerified(at.stand.hub, real.record ?? never(), CheckpointChoice);
    expect(asked).toEqual(choice.sampled.map(() => ['features', 'copies']));
    expect(choice.sampled.map((one) => scoreOf(one).score).every(Number.isFinite)).toBe(true);
  }, 120_000);

  it('leaves a training with one checkpoint as it is', async () => {
    const { hub } = at.stand;
    const { type, repo } = at.training.checkpoint;
    const branch = await hub.commit({
      ...{ repo: { type, repo }, message: 'Retention', files: [{ path: 'kept', content: '1' }] },
      delete: (await hub.list({ type, repo }, at.training.checkpoint.commit, 'checkpoints'))
        .map((entry) => entry.path)
        .filter((path) => !path.startsWith(`${at.training.path}/`)),
    });
    const training = { ...at.training, checkpoint: { type, repo, commit: branch } };
    const context = at.contextOf('single');
    const choice = createChooseCheckpoint({
      ...{ hub, trainer: unused, workDir: at.stand.root, heartbeat: () => undefined },
    });
    expect(await choice({ context, dataset: at.dataset, training })).toMatchObject({
      training,
      record: null,
    });
    const record = { type: 'dataset', repo: context.repos.record } as const;
    expect(await hub.resolve(record)).toBeNull();
  });

  it('refuses a checkpoint whose adapter is not the one of its manifest', async () => {
    const { hub } = at.stand;
    const { type, repo } = at.training.checkpoint;
    const choice = await readVerified(hub, chosen.record ?? never(), CheckpointChoice);
    const path = `${choice.sampled[0]?.path}/pytorch_lora_weights.safetensors`;
    const parent = at.training.checkpoint.commit;
    const files = [{ path, content: Buffer.from('damaged') }];
    await hub.setBranch({ type, repo }, 'damage', parent);
    const commit = await hub.commit({ repo: { type, repo }, branch: 'damage', message: 'Damage', files });
    const training = { ...at.training, checkpoint: { type, repo, commit } };
    const damaged = createChooseCheckpoint({
      ...{ hub, trainer: at.warm, workDir: join(at.stand.root, 'damaged'), heartbeat: () => undefined },
    })({ context: at.contextOf('damaged'), dataset: at.dataset, training });
    await expect(damaged).rejects.toMatchObject({
      kind: 'Corrupt',
      message: expect.stringContaining('expected sha256'),
    });
  });
});

function never(): never {
  throw new Error(`expected a record of the choice (${CHOICE_FILE}), got none`);
}
