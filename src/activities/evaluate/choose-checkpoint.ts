import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PipelineError } from '../../domain/errors.ts';
import {
  CHOICE_FILE,
  CheckpointChoice,
  earliestWinner,
  type LossPoint,
  nearLeast,
  type SampledCheckpoint,
  scoreOf,
} from '../../domain/evaluation/checkpoint-ranking.ts';
import { EvaluationReport, type Metric, refuseOtherSplits } from '../../domain/evaluation/report.ts';
import { choiceSamples, type StandardSample } from '../../domain/evaluation/sample-set.ts';
import type { FileRef, RepoRef, Sha256 } from '../../domain/refs.ts';
import type { ChosenCheckpoint, GpuActivities } from '../../domain/run/activities.ts';
import { ADAPTER_FILE, CheckpointManifest, checkpointFolder } from '../../domain/training/checkpoint.ts';
import { findCheckpoints } from '../../domain/training/checkpoint-choice.ts';
import { mergeMetrics, parseMetricLog } from '../../domain/training/metric-log.ts';
import type { Training } from '../../domain/training/training.ts';
import { sha256Of } from '../../hub/hashing.ts';
import type { Hub } from '../../hub/hub.ts';
import { parseJson } from '../../hub/verified-json.ts';
import { GpuCalls, type GpuDeps } from '../support/gpu-calls.ts';
import { copyBase, copyLocally } from '../support/model-cache.ts';
import { completed } from './cache-key.ts';
import { CHOICE_ROLES, copyModels, type PinnedModel, pinModels } from './models.ts';
import { paintingOf } from './sampling.ts';

type Request = Parameters<GpuActivities['chooseCheckpoint']>[0];

/**
 * Chooses the checkpoint that goes to the gate: of those whose held-out loss is within one standard error of the least, a
 * few are sampled on prompts that the gate does not ask, and the earliest that wins on style × diversity × copying is taken.
 */
export function createChooseCheckpoint(deps: GpuDeps): GpuActivities['chooseCheckpoint'] {
  return async (asked) => {
    const request = { ...asked, context: completed(asked.context) };
    const { curve, steps } = await readCandidates(deps.hub, request);
    if (steps.length === 0 || (steps.length === 1 && steps[0] === request.training.step))
      return {
        training: request.training,
        record: null,
        reason: 'the last checkpoint has the least held-out loss',
      };
    const models = await pinModels(deps.hub, request.context.config.evaluation.models, CHOICE_ROLES);
    const key = keyOf(request, { curve, steps, models });
    const known = await readChoice(deps.hub, request, key);
    if (known !== null) return known;
    const sampled: SampledCheckpoint[] = [];
    const study = new Study(deps, request, models);
    for (const step of steps) sampled.push(await study.measure(step, lossAt(curve, step)));
    const chosen = earliestWinner(sampled);
    if (chosen === null)
      throw new PipelineError('Internal', 'expected a checkpoint to choose from, got none');
    const choice: CheckpointChoice = {
      ...{ format: 1, key, chosen: chosen.step, sampled },
      curve: curve.map(({ step, loss, error }) => ({ step, loss, error })),
      reason: `step ${chosen.step} of ${sampled
        .map((one) => `${one.step} (${scoreOf(one).score.toPrecision(3)})`)
        .join(', ')}: the earliest within one standard error of the best style × diversity × copying`,
    };
    return answer(request, choice, await store(deps.hub, request, choice));
  };
}

function lossAt(curve: readonly LossPoint[], step: number): number | null {
  return curve.find((point) => point.step === step)?.loss ?? null;
}

/** Held-out losses of the training, and the checkpoints near the least that its commit still holds. */
async function readCandidates(
  hub: Hub,
  { context, training }: Request,
): Promise<{ curve: LossPoint[]; steps: number[] }> {
  const { type, repo, commit } = training.checkpoint;
  const log = await hub.read({ type, repo }, commit, 'metrics.jsonl');
  const lines = mergeMetrics(parseMetricLog(log?.toString('utf8') ?? ''));
  const curve = lines.flatMap(({ step, values }): LossPoint[] => {
    const { heldOutLoss, heldOutError } = values;
    const pictures = Object.keys(values)
      .filter((name) => /^heldOutLoss\.\d+$/.test(name))
      .sort()
      .map((name) => values[name] as number);
    if (heldOutLoss === undefined) return [];
    return [{ step, loss: heldOutLoss, error: heldOutError ?? null, pictures }];
  });
  const there = findCheckpoints(await hub.list({ type, repo }, commit, 'checkpoints'));
  const kept = new Set(
    there.filter((c) => c.microStep === null && c.step <= training.step).map((c) => c.step),
  );
  return { curve, steps: nearLeast(curve, kept, context.config.evaluation.checkpoints) };
}

function keyOf(
  { context, dataset, training }: Request,
  found: { curve: LossPoint[]; steps: number[]; models: PinnedModel[] },
): Sha256 {
  const { evaluation, seed } = context.config;
  const { checkpoint } = training;
  return sha256Of(JSON.stringify([2, context.base, dataset, checkpoint, found, evaluation, seed]));
}

function recordOf({ context }: Request): RepoRef {
  return { type: 'dataset', repo: context.repos.record };
}

async function readChoice(hub: Hub, request: Request, key: Sha256): Promise<ChosenCheckpoint | null> {
  const repo = recordOf(request);
  const head = await hub.resolve(repo);
  const bytes = head === null ? null : await hub.read(repo, head, CHOICE_FILE);
  if (head === null || bytes === null) return null;
  const choice = parseJson(bytes, CheckpointChoice, `${repo.repo} ${CHOICE_FILE}`);
  if (choice.key !== key) return null;
  return answer(request, choice, { ...repo, commit: head, path: CHOICE_FILE, sha256: sha256Of(bytes) });
}

function answer({ training }: Request, choice: CheckpointChoice, record: FileRef): ChosenCheckpoint {
  const chosen = choice.sampled.find(({ step }) => step === choice.chosen);
  if (chosen === undefined)
    throw new PipelineError(
      'Corrupt',
      `expected step ${choice.chosen} among the sampled of ${CHOICE_FILE}, got none`,
    );
  const { step, path, adapterSha256, heldOutLoss } = chosen;
  const chosenTraining: Training = { ...training, step, path, adapterSha256, heldOutLoss };
  return { training: chosenTraining, record, reason: choice.reason };
}

async function store(hub: Hub, request: Request, choice: CheckpointChoice): Promise<FileRef> {
  const repo = recordOf(request);
  const content = `${JSON.stringify(choice, null, 1)}\n`;
  await hub.ensureRepo(repo, { private: true });
  const files = [{ path: CHOICE_FILE, content }];
  const commit = await hub.commit({ repo, message: `Checkpoint: ${choice.reason}`, files });
  return { ...repo, commit, path: CHOICE_FILE, sha256: sha256Of(content) };
}

/** Samples and measures checkpoints of one training on the prompts of choices. */
class Study {
  readonly #deps: GpuDeps;
  readonly #calls: GpuCalls;
  readonly #request: Request;
  readonly #samples: StandardSample[];
  readonly #models: readonly PinnedModel[];

  constructor(deps: GpuDeps, request: Request, models: readonly PinnedModel[]) {
    this.#deps = deps;
    this.#request = request;
    this.#models = models;
    this.#samples = choiceSamples(request.context.config);
    this.#calls = new GpuCalls(deps, this.#samples.length);
  }

  async measure(step: number, heldOutLoss: number | null): Promise<SampledCheckpoint> {
    const { context, dataset, training } = this.#request;
    const { config } = context;
    const stage = `step ${step}`;
    const path = checkpointFolder(step);
    await this.#calls.fits(context);
    const base = await copyBase(this.#calls.copying(stage), context.base);
    const data = await copyLocally(this.#calls.copying(stage), dataset);
    const copy = await copyLocally(this.#calls.copying(stage), training.checkpoint, path);
    const adapter = join(copy, ...path.split('/'), ADAPTER_FILE);
    const adapterSha256 = await verifiedAdapter(join(copy, ...path.split('/')));
    // A folder of their own: in a batch of other neighbors a picture's last bits may differ from the gate's.
    const folder = join(
      this.#deps.workDir,
      'choices',
      sha256Of(JSON.stringify([context.base, config.evaluation, config.seed])).slice(0, 24),
    );
    const paint = async (name: string, lora: string | null) => {
      const out = join(folder, name);
      const params = { ...paintingOf(context, this.#samples), base, adapter: lora, out };
      await this.#calls.call('sample', params, stage);
      return out;
    };
    const baseSamples = await paint('base', null);
    const candidateSamples = await paint(adapterSha256.slice(0, 24), adapter);
    const measured = await this.#calls.call(
      'evaluate',
      {
        ...{
          base,
          adapter,
          dataset: data,
          baseSamples,
          candidateSamples,
          rivals: [],
          parity: null,
          models: await copyModels(this.#calls, this.#models),
        },
        encoder: config.evaluation.encoder,
        reference: 'held_out',
        samples: this.#samples.map(({ seed: _, ...sample }) => sample),
        ...{ heldOutLoss, confidence: 0.95, seed: config.seed },
        out: join(folder, `${adapterSha256.slice(0, 24)}-report`),
      },
      stage,
    );
    const report = parseJson(await readFile(measured.report), EvaluationReport, measured.report);
    refuseOtherSplits(report, 'held_out');
    const { metrics } = report;
    const figure = (name: string): Metric =>
      metrics[name] ?? { estimate: null, low: null, high: null, n: 0, method: 'not measured' };
    return {
      ...{ step, path, adapterSha256, heldOutLoss },
      style: figure('style.marginGain'),
      diversity: figure('diversity.vendi'),
      copying: figure('copying.close'),
    };
  }
}

/** sha256 of a checkpoint's adapter, as its manifest names it and its bytes have it. */
async function verifiedAdapter(folder: string): Promise<Sha256> {
  const path = join(folder, 'manifest.json');
  const manifest = parseJson(await readFile(path), CheckpointManifest, path);
  const sha256 = sha256Of(await readFile(join(folder, ADAPTER_FILE)));
  const expected = manifest.files.find((file) => file.path === ADAPTER_FILE)?.sha256;
  if (expected !== sha256)
    throw new PipelineError(
      'Corrupt',
      `expected sha256 ${expected ?? 'in its manifest'} of ${join(folder, ADAPTER_FILE)}, got ${sha256}`,
    );
  return sha256;
}
