import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PipelineError } from '../../domain/errors.ts';
import { EvaluationReport, refuseOtherSplits } from '../../domain/evaluation/report.ts';
import { choiceSamples, type StandardSample, sampleSetText } from '../../domain/evaluation/sample-set.ts';
import type { GpuActivities, TrialMeasures } from '../../domain/run/activities.ts';
import { sha256Of } from '../../hub/hashing.ts';
import { parseJson } from '../../hub/verified-json.ts';
import { copyModels, pinModels, trialRoles } from '../evaluate/models.ts';
import { paintingOf } from '../evaluate/sampling.ts';
import { fetchSharedSamples, sharedSamples, shareSamples } from '../evaluate/shared-samples.ts';
import { exportAbout } from '../support/export-about.ts';
import { GpuCalls, type GpuDeps } from '../support/gpu-calls.ts';
import { copyBase, copyLocally, copyTrained } from '../support/model-cache.ts';

type MeasureRequest = Parameters<GpuActivities['measureTrial']>[0];

/** Metric of the evaluation report that stands for each figure of a trial. */
const METRICS = {
  style: 'style.margin',
  copying: 'copying.excess',
  diversity: 'diversity.vendi',
  adherence: 'adherence.clip',
} as const satisfies Record<keyof TrialMeasures, string>;

/**
 * Makes the `measureTrial` activity: one sample a prompt for some prompts of the standard set, measured as an evaluation is.
 * It stores nothing; run again, it finds its pictures where they lie and says the same.
 */
export function createMeasureTrial(deps: GpuDeps): GpuActivities['measureTrial'] {
  return async (request) => {
    const measurement = new Measurement(deps, request);
    return figures(request, await measurement.run());
  };
}

class Measurement {
  readonly #deps: GpuDeps;
  readonly #calls: GpuCalls;
  readonly #request: MeasureRequest;
  readonly #samples: StandardSample[];
  readonly #folder: string;

  constructor(deps: GpuDeps, request: MeasureRequest) {
    this.#deps = deps;
    this.#request = request;
    this.#samples = trialSamples(request);
    this.#calls = new GpuCalls(deps, this.#samples.length);
    const { context, dataset, training } = request;
    const key = sha256Of(JSON.stringify([context.base, dataset, training.adapterSha256, this.#setText()]));
    this.#folder = join(deps.workDir, 'trials', key.slice(0, 24));
  }

  async run(): Promise<EvaluationReport> {
    const { context, dataset } = this.#request;
    const { config } = context;
    await this.#calls.fits(context);
    const base = await copyBase(this.#calls.copying('base model'), context.base);
    const data = await copyLocally(this.#calls.copying('dataset'), dataset);
    const adapter = await this.#export();
    const baseSamples = await this.#sampleBase(base);
    const candidateSamples = join(this.#folder, 'candidate');
    await this.#sample('trial samples', { base, adapter, out: candidateSamples });
    const roles = trialRoles(config.tuning.objective);
    const pinned = await pinModels(this.#deps.hub, config.evaluation.models, roles);
    const models = await copyModels(this.#calls, pinned);
    const { report } = await this.#calls.call(
      'evaluate',
      {
        base,
        adapter,
        dataset: data,
        baseSamples,
        candidateSamples,
        encoder: config.evaluation.encoder,
        reference: 'held_out',
        ...{ rivals: [], parity: null, models, heldOutLoss: null },
        samples: this.#samples.map(({ seed: _, ...sample }) => sample),
        confidence: config.gate.confidence,
        seed: config.seed,
        out: join(this.#folder, 'report'),
      },
      'measuring',
    );
    const read = parseJson(await readFile(report), EvaluationReport, report);
    refuseOtherSplits(read, 'held_out');
    return read;
  }

  async #export(): Promise<string> {
    const { context, training } = this.#request;
    const checkpoint = await copyTrained(this.#calls.copying('checkpoint'), training, context.base.commit);
    const exported = await this.#calls.call(
      'export',
      {
        checkpoint,
        out: join(this.#folder, 'adapter'),
        formats: ['diffusers'],
        about: await exportAbout(this.#deps.hub, context),
        sabotage: 'none',
      },
      'exporting',
    );
    const [file] = exported.files;
    if (file === undefined) throw new PipelineError('Internal', 'expected an adapter from export, got none');
    return file.path;
  }

  async #sampleBase(base: string): Promise<string> {
    const { hub, workDir } = this.#deps;
    const shared = sharedSamples(this.#request.context, sha256Of(this.#setText()));
    const signal = this.#deps.signal?.();
    const out = await fetchSharedSamples({ hub, shared, toFolder: join(workDir, 'base-samples'), signal });
    const made = await this.#sample('base samples', { base, adapter: null, out });
    if (made.reused < made.images)
      await this.#calls.uploading('sharing base samples', () =>
        shareSamples({ hub, shared, samples: this.#samples, from: out, signal }),
      );
    return out;
  }

  #sample(stage: string, p: { base: string; adapter: string | null; out: string }) {
    return this.#calls.call('sample', { ...paintingOf(this.#request.context, this.#samples), ...p }, stage);
  }

  #setText(): string {
    const { evaluation, training } = this.#request.context.config;
    return sampleSetText(this.#samples, { ...evaluation, ...training });
  }
}

/** One sample of some of the prompts that choices are made by: the gate asks none of them. */
export function trialSamples({ context: { config } }: Pick<MeasureRequest, 'context'>): StandardSample[] {
  return choiceSamples(config, config.tuning.objective.prompts);
}

function figures({ context }: MeasureRequest, report: EvaluationReport): TrialMeasures {
  const { objective } = context.config.tuning;
  const figure = (name: keyof TrialMeasures, wanted: boolean): number | null => {
    if (!wanted) return null;
    const omitted = report.omitted.find(({ metric }) => metric === METRICS[name]);
    if (omitted !== undefined)
      throw new PipelineError(
        'InvalidInput',
        `expected ${name} to be measured (tuning.objective), got none: ${omitted.reason}. Choose another evaluation.encoder or leave it out`,
      );
    return report.metrics[METRICS[name]]?.estimate ?? null;
  };
  return {
    style: figure('style', objective.goals.includes('style')),
    copying: figure('copying', objective.maxCopying !== null),
    diversity: figure('diversity', objective.minDiversity !== null),
    adherence: figure('adherence', objective.minAdherence !== null),
  };
}
