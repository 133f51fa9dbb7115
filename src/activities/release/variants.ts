import { rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import {
  type ReleasedVariant,
  type VariantKind,
  type VariantRecord,
  variantRepo,
} from '../../domain/config/variants.ts';
import { PipelineError } from '../../domain/errors.ts';
import type { Sha256 } from '../../domain/refs.ts';
import { LICENSE_FILE } from '../../domain/release/license.ts';
import { JUDGED_PICTURES } from '../../domain/release/space-trial.ts';
import type { GpuActivities } from '../../domain/run/activities.ts';
import type { RunContext } from '../../domain/run/context.ts';
import type { VerbResult } from '../../domain/trainer-protocol.ts';
import { commitOnHead } from '../../hub/commit-on-head.ts';
import { fingerprintOf, sha256OfFile } from '../../hub/hashing.ts';
import type { Hub, HubContent } from '../../hub/hub.ts';
import { licenseOf } from '../../releases/base-license.ts';
import { refuseTooLarge, weightsOfBase } from '../../releases/fits.ts';
import { readVariant, VARIANT_FILE, VARIANT_FOLDER, wholeVariant } from '../../releases/variants.ts';
import { variantTexts } from '../../reports/cards/variant-card.ts';
import { judgedSamples, likenessToJudged, paintJudged } from '../evaluate/judged-samples.ts';
import { GpuCalls, type GpuDeps } from '../support/gpu-calls.ts';
import { copyBase, copyLocally, pipelineWith } from '../support/model-cache.ts';

type Request = Parameters<GpuActivities['makeVariants']>[0];
type Made = VerbResult<'fuse'>['variants'][number];
type File = { path: string; content: HubContent };

/** Largest distance, seen from afar, to the judged picture: adding a LoRA to the weights only rounds, quantizing moves more. */
const FARTHEST = { rounded: 0.05, quantized: 0.1 } as const;

/**
 * Adds the judged adapter to the base's weights, quantizes where that was asked for, paints judged samples with each file
 * set, and puts those that show what was judged on the Hub; what lies there already, whole, is not made again.
 */
export function createMakeVariants(deps: GpuDeps): GpuActivities['makeVariants'] {
  return async (request) => {
    const { context, evaluation } = request;
    const kinds = context.config.deployment.variants;
    const known = new Map<VariantKind, ReleasedVariant>();
    for (const kind of kinds) {
      const there = await lookUp(deps.hub, context, kind, keyOf(request, kind));
      if (there !== null) known.set(kind, there);
    }
    const missing = kinds.filter((kind) => !known.has(kind));
    if (missing.length > 0) {
      const out = join(deps.workDir, 'variants', evaluation.adapter.sha256);
      for (const variant of await new Making(deps, request).all(missing, out))
        known.set(variant.kind, variant);
      // Tens of gigabytes with the real base: they are on the Hub now.
      await rm(out, { recursive: true, force: true });
    }
    return kinds.flatMap((kind) => known.get(kind) ?? []);
  };
}

/** Identity of a variant: the same key gives the same files. */
function keyOf({ context, evaluation }: Request, kind: VariantKind): Sha256 {
  const { deployedPrecision } = context.config.evaluation;
  return fingerprintOf(['fuse 1', kind, evaluation.adapter.sha256, context.base.commit, deployedPrecision]);
}

async function lookUp(
  hub: Hub,
  context: RunContext,
  kind: VariantKind,
  key: Sha256,
): Promise<ReleasedVariant | null> {
  const repo = variantRepo(context.repos.release, kind);
  const head = await hub.resolve({ type: 'model', repo });
  if (head === null || (await readVariant(hub, repo, head))?.key !== key) return null;
  return wholeVariant(hub, repo, head);
}

/** One making: files by the trainer, a look at each, the upload. */
class Making {
  readonly #deps: GpuDeps;
  readonly #calls: GpuCalls;
  readonly #request: Request;

  constructor(deps: GpuDeps, request: Request) {
    this.#deps = deps;
    this.#request = request;
    this.#calls = new GpuCalls(deps, JUDGED_PICTURES);
  }

  async all(kinds: VariantKind[], out: string): Promise<ReleasedVariant[]> {
    const { context } = this.#request;
    await this.#calls.fits(context);
    const base = await copyBase(this.#calls.copying('base'), context.base);
    const { variants } = await this.#calls.call(
      'fuse',
      {
        base,
        adapter: await this.#adapter(),
        kinds,
        precision: context.config.evaluation.deployedPrecision,
        out,
      },
      'variants',
    );
    // All of them before the first upload: what does not fit is known before anything is on the Hub.
    for (const made of variants) await this.#refuseTooLarge(made);
    const released: ReleasedVariant[] = [];
    for (const made of variants) released.push(await this.#release(made, base, out));
    return released;
  }

  /** The judged adapter, to the byte. */
  async #adapter(): Promise<string> {
    const { adapter } = this.#request.evaluation;
    const copy = await copyLocally(
      this.#calls.copying('adapter'),
      adapter,
      dirname(adapter.path),
      (path) => path === adapter.path,
    );
    const file = join(copy, ...adapter.path.split('/'));
    const sha256 = await sha256OfFile(file);
    if (sha256 === adapter.sha256) return file;
    throw new PipelineError(
      'Corrupt',
      `Expected the judged adapter (sha256 ${adapter.sha256}) at ${adapter.repo}:${adapter.path}, got ${sha256}`,
    );
  }

  async #refuseTooLarge(made: Made): Promise<void> {
    const { context } = this.#request;
    const { deployment } = context.config;
    await refuseTooLarge({
      what: `the variant "${made.kind}"`,
      files: weightsOf(made),
      baseBytes: () => weightsOfBase(this.#deps.hub, context, (path) => !path.startsWith('transformer/')),
      ownBytes: made.files.reduce((sum, file) => sum + file.bytes, 0),
      deployment,
    });
  }

  async #release(made: Made, base: string, out: string): Promise<ReleasedVariant> {
    const { context, evaluation } = this.#request;
    const { hub } = this.#deps;
    const record: VariantRecord = {
      format: 1,
      kind: made.kind,
      key: keyOf(this.#request, made.kind),
      adapterSha256: evaluation.adapter.sha256,
      base: context.base,
      run: context.run,
      files: made.files.map((file) => ({
        ...file,
        path: `${VARIANT_FOLDER}/${file.path}`,
        sha256: file.sha256 as Sha256,
      })),
      trial: await this.#look(made, base, out),
    };
    const { license, text } = await licenseOf(hub, context.base);
    const { card, notice } = variantTexts(record, context, license);
    const repo = variantRepo(context.repos.release, made.kind);
    await hub.ensureRepo({ type: 'model', repo }, { private: context.config.deployment.private });
    const commit = await this.#store(repo, [
      ...weightsOf(made),
      { path: VARIANT_FILE, content: `${JSON.stringify(record, null, 2)}\n` },
      { path: 'README.md', content: card },
      { path: 'NOTICE', content: notice },
      ...(text === null ? [] : [{ path: LICENSE_FILE, content: text }]),
    ]);
    return { kind: made.kind, repo, commit, files: record.files };
  }

  /** Paints judged samples with the files as they lie there, in the place of the base's transformer. */
  async #look(made: Made, base: string, out: string): Promise<VariantRecord['trial']> {
    const { context, evaluation } = this.#request;
    const { quantization } = context.config.training;
    const samples = judgedSamples(context);
    const folder = join(out, `${made.kind}-pictures`);
    await paintJudged({
      calls: this.#calls,
      stage: `painting with ${made.kind}`,
      context,
      samples,
      with: {
        base: await pipelineWith(base, made.folder, join(out, `${made.kind}-pipeline`)),
        adapter: null,
        out: folder,
        // A machine that trained on a quantized base could not hold the whole one: it paints as it trained.
        quantization: made.kind === 'fused' ? quantization : made.kind,
      },
    });
    const rounded = made.kind === 'fused' && quantization === 'none';
    const farthest = FARTHEST[rounded ? 'rounded' : 'quantized'];
    const { hub } = this.#deps;
    const { distance, problem } = await likenessToJudged({ hub, evaluation, samples, folder, farthest });
    if (problem === null) return { pictures: samples.length, distance };
    throw new PipelineError(
      'Unhealthy',
      `Expected the variant "${made.kind}" (deployment.variants) to paint what the gate judged, got ${problem}: nothing is released; leave it out, or release the adapter alone`,
      { details: { kind: made.kind, distance } },
    );
  }

  /** One commit that replaces what the repository held; earlier releases keep theirs by their tags. */
  async #store(repo: ReleasedVariant['repo'], files: File[]): Promise<ReleasedVariant['commit']> {
    const { hub } = this.#deps;
    const signal = this.#deps.signal?.();
    const target = {
      repo: { type: 'model', repo } as const,
      onProgress: () => this.#calls.beat(`uploading ${repo}`, 0, files.length),
      ...(signal === undefined ? {} : { signal }),
    };
    return commitOnHead(hub, target, () => ({
      message: `${this.#request.context.config.model} from run ${this.#request.context.run}`,
      files,
      replace: [''],
      answer: (commit) => commit,
    }));
  }
}

function weightsOf(made: Made): File[] {
  return made.files.map(({ path }) => ({
    path: `${VARIANT_FOLDER}/${path}`,
    content: { file: join(made.folder, path) },
  }));
}
