import { join } from 'node:path';
import { PipelineError } from '../../domain/errors.ts';
import type { Rival } from '../../domain/evaluation/gate.ts';
import type { StandardSample } from '../../domain/evaluation/sample-set.ts';
import { PARITY_SAMPLES, sampleSet } from '../../domain/evaluation/sample-set.ts';
import type { Sha256 } from '../../domain/refs.ts';
import type { RunContext } from '../../domain/run/context.ts';
import type { VerbParams, VerbResult } from '../../domain/trainer-protocol.ts';
import { ADAPTER_FILE } from '../../domain/training/checkpoint.ts';
import type { Hub } from '../../hub/hub.ts';
import type { RivalRelease } from '../../releases/rivals.ts';
import type { GpuCalls } from '../support/gpu-calls.ts';
import { copyBase, copyLocally } from '../support/model-cache.ts';
import { runSamples } from './cache-key.ts';
import {
  fetchSharedSamples,
  type SharedSamples,
  samplesOfRelease,
  sharedSamples,
  shareSamples,
} from './shared-samples.ts';

/** Asks the trainer for pictures; the last argument is the stage that people see. */
export type Paint = (params: VerbParams<'sample'>, stage: string) => Promise<VerbResult<'sample'>>;

/** What sampling needs: where pictures are kept here and on the Hub, and who paints. */
export interface SamplingDeps {
  hub: Hub;
  workDir: string;
  paint: Paint;
  /** Gives signs of life while an upload is under way. */
  uploading: GpuCalls['uploading'];
  copying: (stage: string) => Parameters<typeof copyLocally>[0];
  signal: AbortSignal | undefined;
}

/** Pixels painted between two uploads: what a preemption can cost. */
const CHUNK_PIXELS = 128 * 128 * 128;

/** Pictures between two uploads; a multiple of 16, so that batches do not depend on where a chunk ended. */
export function chunkOf(size: number): number {
  return Math.max(32, Math.floor(CHUNK_PIXELS / (size * size) / 16) * 16);
}

/** The pictures of one look of a run's sample set, of any model, painted once whoever dies in between. */
export class Sampling {
  readonly #deps: SamplingDeps;
  readonly #context: RunContext;
  readonly #samples: StandardSample[];
  /** Of the first look: further looks add to the same shared folder. */
  readonly #setKey: Sha256;

  constructor(deps: SamplingDeps, context: RunContext, samples: StandardSample[]) {
    this.#deps = deps;
    this.#context = context;
    this.#samples = samples;
    this.#setKey = runSamples(context).sha256;
  }

  /** The base's pictures: those that an earlier run shared, else painted now and shared. */
  async ofBase(base: string): Promise<string> {
    const shared = sharedSamples(this.#context, this.#setKey);
    const folder = join(this.#deps.workDir, 'base-samples');
    return this.#shared({
      shared,
      folder,
      stage: 'base samples',
      base,
      adapter: null,
      samples: this.#samples,
    });
  }

  /** The candidate's pictures, kept in the record repository until the evaluation is stored. */
  async ofCandidate(p: { base: string; adapter: string; adapterSha256: Sha256 }): Promise<string> {
    const folder = join(this.#deps.workDir, 'pictures');
    const shared: SharedSamples = {
      repo: { type: 'dataset', repo: this.#context.repos.record },
      folder: `${SAMPLING_FOLDER}/${p.adapterSha256.slice(0, 24)}`,
    };
    const { base, adapter } = p;
    return this.#shared({
      shared,
      folder,
      stage: 'candidate samples',
      base,
      adapter,
      samples: this.#samples,
    });
  }

  /** A release's pictures on its own base, asked with its own trigger. */
  async ofRival(rival: RivalRelease): Promise<{ folder: string; prompts: string[]; rival: Rival }> {
    const { context } = rival.entry.provenance;
    const copying = this.#deps.copying(`${rival.name} ${rival.tag}`);
    const base = await copyBase(copying, context.base);
    const release = { type: 'model', repo: this.#context.repos.release, commit: rival.entry.commit } as const;
    const copy = await copyLocally(copying, release, undefined, (path) => path === ADAPTER_FILE);
    const prompts = promptsFor(this.#context, context.config.dataset.trigger, this.#samples);
    const samples = this.#samples.map((sample, i) => ({ ...sample, prompt: prompts[i] ?? sample.prompt }));
    const folder = await this.#shared({
      shared: samplesOfRelease(this.#context, this.#setKey, rival.adapterSha256),
      folder: join(this.#deps.workDir, 'release-samples'),
      stage: `${rival.name} samples`,
      base,
      adapter: join(copy, ADAPTER_FILE),
      samples,
    });
    const { name, tag, adapterSha256 } = rival;
    return { folder, prompts, rival: { name, tag, adapterSha256 } };
  }

  /** Pictures of every slice once more: from the file loaded anew, and as a release is served, on the base unquantized. */
  async again(p: { base: string; adapter: string; out: string }): Promise<Again> {
    const some = eachSlice(this.#samples, PARITY_SAMPLES);
    const { deployedPrecision } = this.#context.config.evaluation;
    const { precision, quantization } = this.#context.config.training;
    const paint = async (name: string, held: Pick<VerbParams<'sample'>, 'precision' | 'quantization'>) => {
      const out = join(p.out, name);
      await this.#deps.paint({ ...this.#params(p.base, p.adapter, some), ...held, out }, `${name} samples`);
      return out;
    };
    const reload = await paint('reload', { precision, quantization });
    const served = { precision: deployedPrecision, quantization: 'none' as const };
    const about = { reload, deployedPrecision };
    if (precision === served.precision && quantization === served.quantization)
      return { ...about, deployed: null, servedAsJudged: true, unchecked: null };
    try {
      return { ...about, deployed: await paint('deployed', served), servedAsJudged: false, unchecked: null };
    } catch (error) {
      if (!(error instanceof PipelineError) || error.kind !== 'OutOfMemory') throw error;
      const unchecked = `the unquantized base in ${deployedPrecision}, as it is served, does not fit this GPU`;
      return { ...about, deployed: null, servedAsJudged: false, unchecked };
    }
  }

  async #shared(p: {
    shared: SharedSamples;
    folder: string;
    stage: string;
    base: string;
    adapter: string | null;
    samples: StandardSample[];
  }): Promise<string> {
    const { hub, signal, paint, uploading } = this.#deps;
    const { shared, samples, stage } = p;
    const out = await fetchSharedSamples({ hub, shared, toFolder: p.folder, signal });
    const chunk = chunkOf(this.#context.config.evaluation.size);
    for (let end = Math.min(chunk, samples.length); ; end = Math.min(end + chunk, samples.length)) {
      const part = samples.slice(0, end);
      const made = await paint({ ...this.#params(p.base, p.adapter, part), out }, stage);
      if (made.reused < made.images)
        await uploading(`sharing ${stage}`, () =>
          shareSamples({ hub, shared, samples: part, from: out, signal }),
        );
      if (end === samples.length) return out;
    }
  }

  #params(
    base: string,
    adapter: string | null,
    samples: StandardSample[],
  ): Omit<VerbParams<'sample'>, 'out'> {
    return { ...paintingOf(this.#context, samples), base, adapter };
  }
}

/** What the trainer compares a second sampling by. */
export type Again = NonNullable<VerbParams<'evaluate'>['parity']>;

/** The first pictures of every slice in turn, in the set's order: every slice has one before any has two. */
export function eachSlice(samples: readonly StandardSample[], count: number): StandardSample[] {
  const slices = [...new Set(samples.map(({ genre }) => genre))].map((slice) =>
    samples.filter(({ genre }) => genre === slice),
  );
  const rounds = Math.max(...slices.map((slice) => slice.length));
  const turns = Array.from({ length: rounds }, (_, turn) =>
    slices.flatMap((slice) => slice.slice(turn, turn + 1)),
  ).flat();
  const chosen = new Set(turns.slice(0, Math.max(count, slices.length)));
  return samples.filter((sample) => chosen.has(sample));
}

/** How a run's pictures are painted, whoever paints them. */
export function paintingOf(
  context: RunContext,
  samples: StandardSample[],
): Omit<VerbParams<'sample'>, 'base' | 'adapter' | 'out'> {
  const { evaluation, training } = context.config;
  return {
    adapterScale: 1,
    samples: samples.map(({ id, prompt, seed }) => ({ id, prompt, seed })),
    size: evaluation.size,
    inferenceSteps: evaluation.inferenceSteps,
    guidance: evaluation.guidance,
    precision: training.precision,
    quantization: training.quantization,
    offloadBlocks: training.offloadBlocks,
  };
}

/** Where the record repository keeps a candidate's pictures while they are painted. */
export const SAMPLING_FOLDER = 'sampling';

/** The set's prompts as a model with another trigger is asked them, picture by picture. */
function promptsFor(context: RunContext, trigger: string, samples: StandardSample[]): string[] {
  const { config } = context;
  const dataset = { ...config.dataset, trigger };
  const looks = Math.ceil(samples.length / sampleSet(config).length);
  const asked = sampleSet({ ...config, dataset }, looks, context.rotation);
  const prompts = new Map(asked.map(({ id, prompt }) => [id, prompt]));
  return samples.map(({ id, prompt }) => prompts.get(id) ?? prompt);
}
