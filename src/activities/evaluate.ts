import { readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { Evaluation, GpuActivities, GpuProgress } from '../domain/activities.ts';
import { PipelineError } from '../domain/errors.ts';
import { EvaluationReport } from '../domain/evaluation-report.ts';
import type { CommitSha, FileRef, RepoRef, Sha256 } from '../domain/refs.ts';
import { TrainingConfig } from '../domain/run-config.ts';
import type { StandardSample } from '../domain/sample-set.ts';
import type { TrainerEvent, VerbParams, VerbResult } from '../domain/trainer-protocol.ts';
import { sha256Of, sha256OfFile } from '../hub/hashing.ts';
import { type Hub, HubConflict } from '../hub/hub.ts';
import { parseJson } from '../hub/verified-json.ts';
import type { Trainer } from '../trainer/trainer.ts';
import { fetchSharedSamples, sharedSamples, shareSamples } from './base-samples.ts';
import {
  EVALUATION_FILES,
  EVALUATION_FOLDER,
  EvaluationKey,
  evaluationKey,
  runSamples,
} from './evaluation-key.ts';
import { copyBase, copyLocally } from './local-copies.ts';

type EvaluateRequest = Parameters<GpuActivities['evaluate']>[0];

/** What an evaluation needs besides its request. */
export interface EvaluateDeps {
  hub: Hub;
  trainer: Trainer;
  /** Kept from attempt to attempt where the machine lives on; what is in it is never trusted unverified. */
  workDir: string;
  heartbeat: (progress: GpuProgress) => void;
  /** Cancellation of the activity that runs now; default: none. */
  signal?: () => AbortSignal | undefined;
}

/**
 * Paints the standard samples with base and candidate, measures them, and stores all of it in one commit of the record
 * repository. Done for the same inputs before, it answers at once; killed, it goes on with the pictures it finds.
 */
export function createEvaluate(deps: EvaluateDeps): GpuActivities['evaluate'] {
  return async (request) => {
    const known = await findDone(deps.hub, request);
    return known ?? new Attempt(deps, request).run();
  };
}

/** The evaluation of the same inputs that the record repository holds, its report verified; null: there is none. */
async function findDone(hub: Hub, request: EvaluateRequest): Promise<Evaluation | null> {
  const repo = recordOf(request);
  const head = await hub.resolve(repo);
  const bytes = head === null ? null : await hub.read(repo, head, EVALUATION_FILES.key);
  if (head === null || bytes === null) return null;
  const known = parseJson(bytes, EvaluationKey, `${repo.repo} ${EVALUATION_FILES.key}`);
  if (known.key !== evaluationKey(request).key) return null;
  const report = await hub.read(repo, head, EVALUATION_FILES.report);
  const adapter = await hub.read(repo, head, EVALUATION_FILES.adapter);
  const whole =
    report !== null &&
    adapter !== null &&
    sha256Of(report) === known.reportSha256 &&
    sha256Of(adapter) === known.adapterSha256;
  return whole ? answer(repo, head, known) : null;
}

function answer(repo: RepoRef, commit: CommitSha, key: EvaluationKey): Evaluation {
  const at = (path: string, sha256: Sha256): FileRef => ({ ...repo, commit, path, sha256 });
  return {
    report: at(EVALUATION_FILES.report, key.reportSha256),
    adapter: at(EVALUATION_FILES.adapter, key.adapterSha256),
    summary: key.summary,
  };
}

function recordOf(request: EvaluateRequest): RepoRef {
  return { type: 'dataset', repo: request.context.repos.record };
}

type Files = { path: string; content: string | { file: string } }[];

/** One attempt at an evaluation that is not done yet. */
class Attempt {
  readonly #deps: EvaluateDeps;
  readonly #request: EvaluateRequest;
  readonly #key: ReturnType<typeof evaluationKey>;
  readonly #set: { samples: StandardSample[]; sha256: Sha256 };
  /** Named by the key: what an earlier attempt left is found again, another evaluation's is not. */
  readonly #folder: string;

  constructor(deps: EvaluateDeps, request: EvaluateRequest) {
    this.#deps = deps;
    this.#request = request;
    this.#key = evaluationKey(request);
    this.#set = runSamples(request.context);
    this.#folder = join(deps.workDir, 'evaluations', this.#key.key.slice(0, 24));
  }

  async run(): Promise<Evaluation> {
    const { context, dataset } = this.#request;
    const base = await copyBase(this.#copying('base model'), context.base);
    const data = await copyLocally(this.#copying('dataset'), dataset);
    const exported = await this.#export();
    const adapter = exported.files.find((file) => file.format === 'diffusers');
    if (adapter === undefined)
      throw new PipelineError('Internal', 'expected an adapter in format diffusers from export, got none');
    const baseSamples = await this.#sampleBase(base);
    const candidateSamples = join(this.#folder, 'candidate');
    await this.#sample('candidate samples', { base, adapter: adapter.path, out: candidateSamples });
    const { config } = context;
    const measured = await this.#deps.trainer.call(
      'evaluate',
      {
        base,
        adapter: adapter.path,
        dataset: data,
        baseSamples,
        candidateSamples,
        encoder: config.evaluation.encoder,
        samples: this.#set.samples.map(({ id, prompt, promptId, genre }) => ({
          id,
          prompt,
          promptId,
          genre,
        })),
        confidence: config.gate.confidence,
        seed: config.seed,
        out: join(this.#folder, 'report'),
      },
      this.#options('measuring'),
    );
    const reportBytes = await readFile(measured.report);
    const report = parseJson(reportBytes, EvaluationReport, measured.report);
    const key: EvaluationKey = {
      format: 1,
      ...this.#key,
      reportSha256: sha256Of(reportBytes),
      adapterSha256: await sha256OfFile(adapter.path),
      sampleSetSha256: this.#set.sha256,
      summary: summarise(report),
    };
    return this.#store(key, [
      ...this.#sampleFiles(EVALUATION_FILES.base, baseSamples),
      ...this.#sampleFiles(EVALUATION_FILES.candidate, candidateSamples),
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

  /** The checkpoint's adapter, verified, as the files that would be released. */
  async #export(): Promise<VerbResult<'export'>> {
    const { context, training } = this.#request;
    const copy = await copyLocally(this.#copying('checkpoint'), training.checkpoint, training.path);
    const checkpoint = join(copy, ...training.path.split('/'));
    const sha256 = await sha256OfFile(join(checkpoint, 'pytorch_lora_weights.safetensors'));
    if (sha256 !== training.adapterSha256)
      throw new PipelineError(
        'Corrupt',
        `expected the trained adapter ${training.adapterSha256} in ${training.checkpoint.repo} ${training.path} at ${training.checkpoint.commit}, got ${sha256}`,
      );
    const { config } = context;
    return this.#deps.trainer.call(
      'export',
      {
        checkpoint,
        out: join(this.#folder, 'adapter'),
        formats: ['diffusers', 'kohya'],
        title: config.model,
        trigger: config.dataset.trigger,
        sabotage: config.sabotage,
      },
      this.#options('exporting'),
    );
  }

  /** The base's pictures: those that an earlier run shared, else painted now and shared. */
  async #sampleBase(base: string): Promise<string> {
    const { hub, workDir } = this.#deps;
    const shared = sharedSamples(this.#request.context, this.#set.sha256);
    const signal = this.#deps.signal?.();
    const out = await fetchSharedSamples({ hub, shared, toFolder: join(workDir, 'base-samples'), signal });
    const made = await this.#sample('base samples', { base, adapter: null, out });
    if (made.reused < made.images)
      await shareSamples({ hub, shared, samples: this.#set.samples, from: out, signal });
    return out;
  }

  #sample(
    stage: string,
    p: Pick<VerbParams<'sample'>, 'base' | 'adapter' | 'out'>,
  ): Promise<VerbResult<'sample'>> {
    const { evaluation, training: asked } = this.#request.context.config;
    // A context that an older worker wrote lacks the newer fields.
    const training = TrainingConfig.parse(asked);
    return this.#deps.trainer.call(
      'sample',
      {
        ...p,
        adapterScale: 1,
        samples: this.#set.samples.map(({ id, prompt, seed }) => ({ id, prompt, seed })),
        size: evaluation.size,
        inferenceSteps: evaluation.inferenceSteps,
        guidance: evaluation.guidance,
        precision: training.precision,
        quantisation: training.quantisation,
        offloadBlocks: training.offloadBlocks,
      },
      this.#options(stage),
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
    const wanted = new Set(files.map((file) => file.path));
    for (;;) {
      this.#beat('storing', 0, files.length);
      const head = await hub.resolve(repo);
      const there = head === null ? [] : await hub.list(repo, head, EVALUATION_FOLDER);
      try {
        const commit = await hub.commit({
          repo,
          ...(head === null ? {} : { parent: head }),
          message: `Evaluation: ${key.summary}`,
          files,
          delete: there.map((entry) => entry.path).filter((path) => !wanted.has(path)),
          ...(signal === undefined ? {} : { signal }),
        });
        return answer(repo, commit, key);
      } catch (error) {
        if (!(error instanceof HubConflict)) throw error;
      }
    }
  }

  #copying(stage: string) {
    const { hub, workDir, signal } = this.#deps;
    const onProgress = (done: number, total: number) => this.#beat(stage, done, total);
    return { hub, workDir, signal: signal?.(), onProgress };
  }

  #options(stage: string): { onEvent: (event: TrainerEvent) => void; signal?: AbortSignal } {
    const signal = this.#deps.signal?.();
    this.#beat(stage, 0, this.#set.samples.length);
    return {
      onEvent: (event) => {
        if (event.event === 'progress') this.#beat(stage, event.done, event.total, event.etaSeconds);
      },
      ...(signal === undefined ? {} : { signal }),
    };
  }

  #beat(stage: string, done: number, total: number, etaSeconds: number | null = null): void {
    this.#deps.heartbeat({ stage, done, total, etaSeconds, metrics: {}, lastCheckpoint: null });
  }
}

/** The three figures that a person asks for first. */
function summarise(report: EvaluationReport): string {
  const figure = (name: string) => report.metrics[name]?.estimate?.toPrecision(3) ?? 'none';
  return [
    `${report.samples.count} samples`,
    `KID ${figure('kid.base')} to ${figure('kid.candidate')}`,
    `style margin ${figure('style.baseMargin')} to ${figure('style.margin')}`,
    `diversity ratio ${figure('diversity.vendi')}`,
  ].join(', ');
}
