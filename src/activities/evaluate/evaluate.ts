import { readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { PipelineError } from '../../domain/errors.ts';
import type { Evaluation } from '../../domain/evaluation/decision.ts';
import { gateReference } from '../../domain/evaluation/gate-rules.ts';
import { lookConfidence } from '../../domain/evaluation/ledger.ts';
import { EvaluationReport } from '../../domain/evaluation/report.ts';
import type { StandardSample } from '../../domain/evaluation/sample-set.ts';
import type { Sha256 } from '../../domain/refs.ts';
import type { GpuActivities } from '../../domain/run/activities.ts';
import type { VerbParams, VerbResult } from '../../domain/trainer-protocol.ts';
import { commitOnHead } from '../../hub/commit-on-head.ts';
import { sha256Of, sha256OfFile } from '../../hub/hashing.ts';
import { parseJson } from '../../hub/verified-json.ts';
import { refuseOtherTrigger } from '../prepare/captions/trigger.ts';
import { exportAbout } from '../support/export-about.ts';
import { GpuCalls, type GpuDeps } from '../support/gpu-calls.ts';
import { copyBase, copyLocally, copyTrained } from '../support/model-cache.ts';
import {
  completed,
  EVALUATION_FILES,
  EVALUATION_FOLDER,
  type EvaluationKey,
  runSamples,
} from './cache-key.ts';
import { answer, type EvaluateRequest, type EvaluationInputs, findDone, lookUp, recordOf } from './inputs.ts';
import { copyModels, largestModel } from './models.ts';
import { SAMPLING_FOLDER, Sampling } from './sampling.ts';
import { shareBaseScores, sharedSamples } from './shared-samples.ts';

/**
 * Paints the standard samples with base, candidate and the releases it has to stand against, measures them, and stores
 * all of it in one commit of the record repository. Done for the same inputs before, it answers at once; killed, it goes
 * on with the pictures it finds.
 */
export function createEvaluate(deps: GpuDeps): GpuActivities['evaluate'] {
  return async (asked) => {
    const inputs = await lookUp(deps.hub, { ...asked, context: completed(asked.context) });
    const known = await findDone(deps.hub, inputs);
    return known ?? new Attempt(deps, inputs).run();
  };
}

/** Folders of pictures on this machine, as the verb `evaluate` takes them. */
type Painted = Pick<VerbParams<'evaluate'>, 'baseSamples' | 'candidateSamples' | 'rivals' | 'parity'>;

type Files = { path: string; content: string | { file: string } }[];

/** One attempt at an evaluation that is not done yet. */
class Attempt {
  readonly #deps: GpuDeps;
  readonly #calls: GpuCalls;
  readonly #inputs: EvaluationInputs;
  readonly #request: EvaluateRequest;
  readonly #set: { samples: StandardSample[]; sha256: Sha256 };
  /** Named by the key: what an earlier attempt left is found again, another evaluation's is not. */
  readonly #folder: string;

  constructor(deps: GpuDeps, inputs: EvaluationInputs) {
    this.#deps = deps;
    this.#inputs = inputs;
    this.#request = inputs.request;
    this.#set = runSamples(inputs.request.context, inputs.look);
    this.#calls = new GpuCalls(deps, this.#set.samples.length);
    this.#folder = join(deps.workDir, 'evaluations', inputs.key.key.slice(0, 24));
  }

  async run(): Promise<Evaluation> {
    const { context, dataset } = this.#request;
    await refuseOtherTrigger(this.#deps.hub, dataset, context.config.dataset.trigger);
    await this.#calls.fits(context, await largestModel(this.#deps.hub, this.#inputs.models));
    const base = await copyBase(this.#calls.copying('base model'), context.base);
    const data = await copyLocally(this.#calls.copying('dataset'), dataset);
    const exported = await this.#export();
    const adapter = exported.files.find((file) => file.format === 'diffusers');
    if (adapter === undefined)
      throw new PipelineError('Internal', 'expected an adapter in format diffusers from export, got none');
    const adapterSha256 = await sha256OfFile(adapter.path);
    const pictures = await this.#paint(base, adapter.path, adapterSha256);
    const measured = await this.#measure({ base, adapter: adapter.path, dataset: data, pictures });
    const reportBytes = await readFile(measured.report);
    const report = parseJson(reportBytes, EvaluationReport, measured.report);
    // Later looks see the base in more pictures; what a forecast reads is of the first.
    if (this.#inputs.look === 1)
      await shareBaseScores({
        hub: this.#deps.hub,
        shared: sharedSamples(context, this.#set.sha256),
        dataset: dataset.commit,
        report,
        signal: this.#deps.signal?.(),
      });
    const key: EvaluationKey = {
      format: 1,
      ...this.#inputs.key,
      reportSha256: sha256Of(reportBytes),
      adapterSha256,
      sampleSetSha256: this.#set.sha256,
      candidate: this.#inputs.candidacy.candidate,
      summary: summarize(report),
    };
    return this.#store(key, [
      ...this.#sampleFiles(EVALUATION_FILES.base, pictures.baseSamples),
      ...this.#sampleFiles(EVALUATION_FILES.candidate, pictures.candidateSamples),
      ...pictures.rivals.flatMap((rival) =>
        this.#sampleFiles(`${EVALUATION_FILES.rivals}/${rival.name}`, rival.samples),
      ),
      ...exported.files.map((file) => ({
        path: `${EVALUATION_FOLDER}/adapter/${basename(file.path)}`,
        content: { file: file.path },
      })),
      ...report.closest.map(({ picture }) => ({
        path: `${EVALUATION_FOLDER}/${picture}`,
        content: { file: join(this.#folder, 'report', ...picture.split('/')) },
      })),
      { path: EVALUATION_FILES.samples, content: `${JSON.stringify(this.#set.samples, null, 1)}\n` },
      { path: EVALUATION_FILES.report, content: { file: measured.report } },
      { path: EVALUATION_FILES.key, content: `${JSON.stringify(key, null, 1)}\n` },
    ]);
  }

  /** The pictures of everybody in the comparison, and a few of the candidate's once more. */
  async #paint(base: string, adapter: string, adapterSha256: Sha256): Promise<Painted> {
    const { hub, workDir } = this.#deps;
    const sampling = new Sampling(
      {
        hub,
        workDir,
        paint: (params, stage) => this.#calls.call('sample', params, stage),
        uploading: (stage, upload) => this.#calls.uploading(stage, upload),
        copying: (stage) => this.#calls.copying(stage),
        signal: this.#deps.signal?.(),
      },
      this.#request.context,
      this.#set.samples,
    );
    const baseSamples = await sampling.ofBase(base);
    const candidateSamples = await sampling.ofCandidate({ base, adapter, adapterSha256 });
    const again = await sampling.again({ base, adapter, out: join(this.#folder, 'again') });
    const rivals: Painted['rivals'] = [];
    for (const release of this.#inputs.rivals) {
      const { folder, prompts, rival } = await sampling.ofRival(release);
      rivals.push({ ...rival, samples: folder, prompts });
    }
    return { baseSamples, candidateSamples, rivals, parity: again };
  }

  async #measure(p: {
    base: string;
    adapter: string;
    dataset: string;
    pictures: Painted;
  }): Promise<VerbResult<'evaluate'>> {
    const { config } = this.#request.context;
    const models = await copyModels(this.#calls, this.#inputs.models);
    const { pictures, ...rest } = p;
    return this.#calls.call(
      'evaluate',
      {
        ...rest,
        ...pictures,
        encoder: config.evaluation.encoder,
        reference: gateReference(config),
        models,
        samples: this.#set.samples.map(({ seed: _, ...sample }) => sample),
        heldOutLoss: this.#request.training.heldOutLoss,
        confidence: lookConfidence(config.gate, this.#inputs.candidacy.place),
        seed: config.seed,
        out: join(this.#folder, 'report'),
      },
      'measuring',
    );
  }

  /** The checkpoint's adapter, verified, as the files that would be released. */
  async #export(): Promise<VerbResult<'export'>> {
    const { context, training } = this.#request;
    const { config, base } = context;
    const checkpoint = await copyTrained(this.#calls.copying('checkpoint'), training, base.commit);
    return this.#calls.call(
      'export',
      {
        checkpoint,
        out: join(this.#folder, 'adapter'),
        formats: ['diffusers', 'kohya'],
        about: await exportAbout(this.#deps.hub, context),
        sabotage: config.sabotage,
      },
      'exporting',
    );
  }

  #sampleFiles(folder: string, from: string): Files {
    return [...this.#set.samples.map(({ id }) => `${id}.png`), 'manifest.json'].map((name) => ({
      path: `${folder}/${name}`,
      content: { file: join(from, name) },
    }));
  }

  /** One commit that replaces whatever evaluation was there, and the verdict on it. */
  async #store(key: EvaluationKey, files: Files): Promise<Evaluation> {
    const { hub } = this.#deps;
    const repo = recordOf(this.#request);
    const signal = this.#deps.signal?.();
    await hub.ensureRepo(repo, { private: true });
    return this.#calls.uploading('storing', () =>
      commitOnHead(hub, { repo, ...(signal === undefined ? {} : { signal }) }, () => ({
        message: `Evaluation: ${key.summary}`,
        files,
        replace: [EVALUATION_FOLDER, SAMPLING_FOLDER],
        answer: (commit) => answer(repo, commit, key),
      })),
    );
  }
}

/** The three figures that a person asks for first. */
function summarize(report: EvaluationReport): string {
  const figure = (name: string) => report.metrics[name]?.estimate?.toPrecision(3) ?? 'none';
  return [
    `${report.samples.count} samples`,
    `KID ${figure('kid.base')} to ${figure('kid.candidate')}`,
    `style margin ${figure('style.baseMargin')} to ${figure('style.margin')}`,
    `diversity ratio ${figure('diversity.vendi')}`,
  ].join(', ');
}
