import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { CandidateTrial, GpuActivities, GpuProgress } from '../domain/activities.ts';
import { PipelineError } from '../domain/errors.ts';
import type { StandardSample } from '../domain/sample-set.ts';
import { sha256OfFile } from '../hub/hashing.ts';
import type { Hub } from '../hub/hub.ts';
import { isBlank, pictureDistance } from '../images/compare.ts';
import { ADAPTER_FILE } from '../releases/provenance.ts';
import type { Trainer } from '../trainer/trainer.ts';
import { EVALUATION_FILES, runSamples } from './evaluation-key.ts';
import { copyBase, copyLocally } from './local-copies.ts';

type Request = Parameters<GpuActivities['tryRelease']>[0];

/** What trying a candidate needs besides its request. */
export interface TryReleaseDeps {
  hub: Hub;
  trainer: Trainer;
  workDir: string;
  heartbeat: (progress: GpuProgress) => void;
  signal?: () => AbortSignal | undefined;
}

/** One picture of each slice of the sample set, at most so many. */
const PICTURES = 4;

/**
 * Largest distance, seen from afar, to the picture that the gate judged. The same device gives the same pixels; another
 * kind of device, or a few more neighbours in a batch, gives a picture that people cannot tell apart.
 */
const FARTHEST = 0.05;

/**
 * Loads a candidate from the Hub, by its commit, into the base, and paints a few judged samples again: what a user would
 * get is what the gate saw. Nothing is stored; done twice, it finds the same.
 */
export function createTryRelease(deps: TryReleaseDeps): GpuActivities['tryRelease'] {
  return async (request) => {
    const { candidate, context } = request;
    const beat = (stage: string, done = 0, total = PICTURES) =>
      deps.heartbeat({ stage, done, total, etaSeconds: null, metrics: {}, lastCheckpoint: null });
    const signal = deps.signal?.();
    const copying = {
      hub: deps.hub,
      workDir: deps.workDir,
      signal,
      onProgress: (done: number, total: number) => beat(`${candidate.tag} from the Hub`, done, total),
    };
    const base = await copyBase(copying, context.base);
    const released = { type: 'model' as const, repo: candidate.repo, commit: candidate.commit };
    const adapter = join(await copyLocally(copying, released), ADAPTER_FILE);
    const sha256 = await sha256OfFile(adapter);
    if (sha256 !== candidate.sha256)
      throw new PipelineError(
        'Corrupt',
        `Expected the approved adapter (sha256 ${candidate.sha256}) in ${candidate.repo} ${candidate.tag}, got ${sha256}`,
      );
    const samples = chosen(runSamples(context).samples);
    const out = join(deps.workDir, 'candidates', candidate.commit);
    await paint(deps, { request, base, adapter, samples, out, beat });
    return { pictures: samples.length, distance: await compare(deps.hub, { request, samples, out }) };
  };
}

/** The first sample of each slice, in the set's order. */
function chosen(all: readonly StandardSample[]): StandardSample[] {
  const slices = new Set<string>();
  const first = all.filter(({ genre }) => !slices.has(genre) && slices.add(genre));
  return first.slice(0, PICTURES);
}

async function paint(
  deps: TryReleaseDeps,
  p: {
    request: Request;
    base: string;
    adapter: string;
    samples: StandardSample[];
    out: string;
    beat: (stage: string, done?: number, total?: number) => void;
  },
): Promise<void> {
  const { evaluation, training } = p.request.context.config;
  const signal = deps.signal?.();
  p.beat(`painting with ${p.request.candidate.tag}`);
  await deps.trainer.call(
    'sample',
    {
      base: p.base,
      adapter: p.adapter,
      adapterScale: 1,
      samples: p.samples.map(({ id, prompt, seed }) => ({ id, prompt, seed })),
      size: evaluation.size,
      inferenceSteps: evaluation.inferenceSteps,
      guidance: evaluation.guidance,
      precision: training.precision,
      quantisation: training.quantisation,
      offloadBlocks: training.offloadBlocks,
      out: p.out,
    },
    {
      onEvent: (event) => {
        if (event.event === 'progress') p.beat(event.stage, event.done, event.total);
      },
      ...(signal === undefined ? {} : { signal }),
    },
  );
}

async function compare(
  hub: Hub,
  p: { request: Request; samples: StandardSample[]; out: string },
): Promise<CandidateTrial['distance']> {
  const { candidate, evaluation } = p.request;
  const record = { type: evaluation.report.type, repo: evaluation.report.repo };
  let farthest = 0;
  for (const { id } of p.samples) {
    const painted = await readFile(join(p.out, `${id}.png`));
    if (await isBlank(painted)) throw unwell(candidate.tag, `a blank picture for ${id}`);
    const path = `${EVALUATION_FILES.candidate}/${id}.png`;
    const judged = await hub.read(record, evaluation.report.commit, path);
    if (judged === null) continue;
    const distance = await pictureDistance(painted, judged);
    if (distance > FARTHEST)
      throw unwell(
        candidate.tag,
        `another picture for ${id}: ${distance.toFixed(3)} away, at most ${FARTHEST} is the same to the eye`,
      );
    farthest = Math.max(farthest, distance);
  }
  return farthest;
}

function unwell(tag: string, got: string): PipelineError {
  return new PipelineError(
    'Unhealthy',
    `Expected ${tag}, loaded from the Hub, to paint what the gate judged, got ${got}: it does not go into production`,
  );
}
