import { readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { Evaluation, GpuActivities } from '../domain/activities.ts';
import { PipelineError } from '../domain/errors.ts';
import { MODEL_ROLES, splitModelId } from '../domain/evaluation-models.ts';
import { EvaluationReport } from '../domain/evaluation-report.ts';
import { lookConfidence } from '../domain/gate-config.ts';
import { CommitRef, type CommitSha, type FileRef, RepoId, type RepoRef, Sha256 } from '../domain/refs.ts';
import type { StandardSample } from '../domain/sample-set.ts';
import type { VerbParams, VerbResult } from '../domain/trainer-protocol.ts';
import { sha256Of, sha256OfFile } from '../hub/hashing.ts';
import { type Hub, HubConflict } from '../hub/hub.ts';
import { parseJson } from '../hub/verified-json.ts';
import { findRivals, type RivalRelease } from '../releases/rivals.ts';
import { shareBaseScores, sharedSamples } from './base-samples.ts';
import { refuseOtherTrigger } from './caption-trigger.ts';
import {
  completed,
  EVALUATION_FILES,
  EVALUATION_FOLDER,
  EvaluationKey,
  evaluationKey,
  type PinnedModel,
  runSamples,
} from './evaluation-key.ts';
import { GpuCalls, type GpuDeps } from './gpu-calls.ts';
import { copyBase, copyLocally, copyTrained } from './local-copies.ts';
import { SAMPLING_FOLDER, Sampling } from './sampling.ts';

type EvaluateRequest = Parameters<GpuActivities['evaluate']>[0];

/** Everything that an evaluation is made from, looked up once. */
interface Inputs {
  request: EvaluateRequest;
  look: number;
  rivals: RivalRelease[];
  models: PinnedModel[];
  key: ReturnType<typeof evaluationKey>;
}

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

async function lookUp(hub: Hub, request: EvaluateRequest): Promise<Inputs> {
  const { context, training } = request;
  const look = request.look ?? 1;
  // A sabotaged export has bytes of its own: nobody's release.
  const candidate = context.config.sabotage === 'none' ? training.adapterSha256 : NOBODY;
  const [rivals, models] = await Promise.all([
    findRivals(hub, context, candidate),
    pinModels(hub, context.config.evaluation.models),
  ]);
  return { request, look, rivals, models, key: evaluationKey({ ...request, look, rivals, models }) };
}

const NOBODY = Sha256.parse('0'.repeat(64));

/** The commit that each named model stands for now. */
async function pinModels(
  hub: Hub,
  models: EvaluateRequest['context']['config']['evaluation']['models'],
): Promise<PinnedModel[]> {
  const named = MODEL_ROLES.flatMap((role) => {
    const id = models[role];
    return id === null ? [] : [{ role, ...splitModelId(id) }];
  });
  return Promise.all(
    named.map(async ({ role, repo, revision }) => {
      const commit = await hub.resolve({ type: 'model', repo: RepoId.parse(repo) }, revision);
      if (commit !== null) return { role, repo, commit };
      throw new PipelineError(
        'InvalidInput',
        `evaluation.models.${role}: expected a model repository that the token can read, got "${repo}" at "${revision}", which is not on ${hub.endpoint}; null leaves its metrics out`,
      );
    }),
  );
}

/** Weights as safetensors, configuration and tokenizer: pickles and other tools' copies stay where they are. */
function isNeeded(path: string): boolean {
  return !path.includes('/') && /\.(safetensors|json|txt|model)$/.test(path);
}

/** The evaluation of the same inputs that the record repository holds, its report verified; null: there is none. */
async function findDone(hub: Hub, { request, key }: Inputs): Promise<Evaluation | null> {
  const repo = recordOf(request);
  const head = await hub.resolve(repo);
  const bytes = head === null ? null : await hub.read(repo, head, EVALUATION_FILES.key);
  if (head === null || bytes === null) return null;
  const known = parseJson(bytes, EvaluationKey, `${repo.repo} ${EVALUATION_FILES.key}`);
  if (known.key !== key.key) return null;
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

/** Folders of pictures on this machine, as the verb `evaluate` takes them. */
type Painted = Pick<VerbParams<'evaluate'>, 'baseSamples' | 'candidateSamples' | 'rivals' | 'parity'>;

type Files = { path: string; content: string | { file: string } }[];

/** One attempt at an evaluation that is not done yet. */
class Attempt {
  readonly #deps: GpuDeps;
  readonly #calls: GpuCalls;
  readonly #inputs: Inputs;
  readonly #request: EvaluateRequest;
  readonly #set: { samples: StandardSample[]; sha256: Sha256 };
  /** Named by the key: what an earlier attempt left is found again, another evaluation's is not. */
  readonly #folder: string;

  constructor(deps: GpuDeps, inputs: Inputs) {
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
      summary: summarise(report),
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
        copying: (stage) => this.#calls.copying(stage),
        signal: this.#deps.signal?.(),
      },
      this.#request.context,
      this.#set.samples,
    );
    const baseSamples = await sampling.ofBase(base);
    const candidateSamples = await sampling.ofCandidate({ base, adapter, adapterSha256 });
    const { deployedPrecision } = this.#request.context.config.evaluation;
    const again = await sampling.again({ base, adapter, out: join(this.#folder, 'again') });
    const rivals: Painted['rivals'] = [];
    for (const release of this.#inputs.rivals) {
      const { folder, prompts, rival } = await sampling.ofRival(release);
      rivals.push({ ...rival, samples: folder, prompts });
    }
    return { baseSamples, candidateSamples, rivals, parity: { ...again, deployedPrecision } };
  }

  async #measure(p: {
    base: string;
    adapter: string;
    dataset: string;
    pictures: Painted;
  }): Promise<VerbResult<'evaluate'>> {
    const { config } = this.#request.context;
    const models: VerbParams<'evaluate'>['models'] = [];
    for (const { role, repo, commit } of this.#inputs.models) {
      const ref = CommitRef.parse({ type: 'model', repo, commit });
      const path = await copyLocally(this.#calls.copying(`model for ${role}`), ref, undefined, isNeeded);
      models.push({ role: role as (typeof models)[number]['role'], repo, commit, path });
    }
    const { pictures, ...rest } = p;
    return this.#calls.call(
      'evaluate',
      {
        ...rest,
        ...pictures,
        encoder: config.evaluation.encoder,
        models,
        samples: this.#set.samples.map(({ seed: _, ...sample }) => sample),
        heldOutLoss: this.#request.training.heldOutLoss,
        confidence: lookConfidence(config.gate),
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
        title: config.model,
        trigger: config.dataset.trigger,
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
    const wanted = new Set(files.map((file) => file.path));
    for (;;) {
      this.#calls.beat('storing', 0, files.length);
      const head = await hub.resolve(repo);
      const folders = [EVALUATION_FOLDER, SAMPLING_FOLDER];
      const there =
        head === null
          ? []
          : (await Promise.all(folders.map((folder) => hub.list(repo, head, folder)))).flat();
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
