import type { EvaluationModels } from '../config/evaluation-models.ts';
import { MODEL_ROLES, type ModelRole } from '../config/evaluation-models.ts';
import type { RunConfig } from '../config/run-config.ts';
import { gateReference } from '../evaluation/gate-rules.ts';
import { choicePictures, choiceSamples, paritySamples, sampleSet } from '../evaluation/sample-set.ts';
import type { TransformerShape } from './lora-size.ts';
import { forwardTeraFlops, loraTrafficBytes, passesOfStep, unpackedBytes } from './needs.ts';

/** The part of a run that decides how much there is to do. */
export type WorkConfig = Pick<RunConfig, 'seed' | 'dataset' | 'training' | 'evaluation'>;

/** What is known of the pictures before any is encoded. */
export interface WorkFacts {
  train: number;
  heldOut: number;
  /** Unseen paintings that the gate measures against, and paintings of other styles. */
  unseen: number;
  neighbors: number;
  /** Different captions among the training pictures. */
  captions: number;
  /** Views that the trainer can draw of a training picture, on average. */
  views: number;
  /** Whether another run has painted the base's samples already. */
  basePainted: boolean;
}

/** Forward passes through a network, an image each, at a size in pixels. */
export interface Passes {
  images: number;
  size: number;
}

/** All that a run has an accelerator do until its first verdict, counted in images. */
export interface RunWork {
  /** Through the transformer, forward and backward. */
  training: Passes;
  /** Through the transformer, forward alone: the held-out loss and that of what was learnt. */
  heldOut: Passes;
  /** Through the transformer: validation images, a pass a denoising step. */
  validation: Passes;
  /** Through the transformer: the samples of base and candidate, of the checkpoints compared, and those painted again. */
  painting: Passes;
  /** Through the VAE's encoder. */
  views: Passes;
  /** Through both text encoders. */
  captions: number;
  /** Through each judge. */
  judged: Record<ModelRole, number>;
}

/** As `held_out.py` and `validation_images.py` have them. */
const HELD_OUT = { pictures: 16, trained: 8, levels: 8 };
const VALIDATION_IMAGES = 4;
const VALIDATION_SIDE = 512;

/** Surplus beyond the bucket from which on the encoder offers three crops, in pixels; as `pixels.py` has it. */
const MIN_SURPLUS = 16;

/** How many views the trainer can draw of a picture: crops along its longer side, and mirror images. */
export function viewsOf(
  picture: { width: number; height: number; aspect: number; flipAllowed: boolean },
  config: Pick<WorkConfig, 'training' | 'dataset'>,
): number {
  const { width, height, aspect } = picture;
  const surplus = Math.max(height * aspect - width, width / aspect - height);
  const crops = config.dataset.randomCrop && surplus >= MIN_SURPLUS ? 3 : 1;
  return crops * (picture.flipAllowed && config.training.flip > 0 ? 2 : 1);
}

/** Counts a run's work from its configuration; `forward passes` of the trainer are counted against it in a test. */
export function workOf(config: WorkConfig, facts: WorkFacts): RunWork {
  const { training, evaluation, dataset } = config;
  const { steps } = training;
  const drawn = steps * training.accumulation * training.batchSize;
  const measured = Math.min(HELD_OUT.pictures, facts.heldOut);
  const learnt = Math.min(HELD_OUT.trained, facts.train);
  const measurements =
    Math.floor(steps / training.heldOutEvery) + 1 + (steps % training.heldOutEvery === 0 ? 0 : 1);
  const validations = training.sampleEvery === 0 ? 0 : Math.floor(steps / training.sampleEvery);
  const set = sampleSet(config).length;
  const painted = set * (facts.basePainted ? 1 : 2) + choicePictures(config) + paritySamples(config);
  return {
    training: { images: drawn, size: dataset.resolution },
    heldOut: { images: measurements * (measured + learnt) * HELD_OUT.levels, size: dataset.resolution },
    validation: {
      images: validations * VALIDATION_IMAGES * evaluation.inferenceSteps,
      size: Math.min(evaluation.size, VALIDATION_SIDE),
    },
    painting: { images: painted * evaluation.inferenceSteps, size: evaluation.size },
    views: { images: distinctViews(drawn, facts, learnt) + measured, size: dataset.resolution },
    captions: Math.min(facts.captions, drawn) + 1,
    judged: judgedOf(config, facts),
  };
}

/** Images through each judge: samples for the gate and for the choice of a checkpoint, and paintings, once a session. */
function judgedOf(config: WorkConfig, facts: WorkFacts): RunWork['judged'] {
  const { checkpoints } = config.evaluation;
  const chosen = checkpoints > 1 ? 2 * checkpoints * choiceSamples(config).length : 0;
  const samples = 2 * sampleSet(config).length;
  // The choice measures against the held-out split, the gate against its own.
  const apart = chosen > 0 && gateReference(config) !== 'held_out' ? facts.heldOut : 0;
  const unseen = facts.unseen + apart;
  return {
    ...{ clip: samples + facts.unseen, style: samples + facts.unseen },
    ...{ questions: samples, preference: samples },
    features: samples + chosen + facts.train + unseen + facts.neighbors,
    // Paintings of the style as they are and mirrored, to find the nearest.
    copies: samples + chosen + 2 * (facts.train + unseen) + facts.neighbors,
  };
}

/** How many different views so many draws meet, each as likely as the others, and `besides` that are needed drawn or not. */
function distinctViews(draws: number, { train, views }: WorkFacts, besides: number): number {
  const all = Math.max(1, train * views);
  const met = 1 - (1 - 1 / all) ** draws;
  return Math.round(all * met + besides * (1 - met));
}

/** 10¹² operations and bytes through the accelerator's memory of each part of a run's work. */
export interface WorkLoad {
  halfTeraFlops: number;
  fp32TeraFlops: number;
  movedBytes: number;
}

/** What the parts of a run's work take: training with its measuring, encoding before it, judging after it. */
export function loadOf(
  shape: TransformerShape,
  config: WorkConfig,
  work: RunWork,
): { training: WorkLoad; encoding: WorkLoad; judging: WorkLoad } {
  const { training, evaluation } = config;
  const pass = ({ images, size }: Passes) => images * forwardTeraFlops(shape, size);
  const lora = ({ images, size }: Passes) => images * loraTrafficBytes(shape, training, size);
  const steps = passesOfStep(training);
  const unpacked = unpackedBytes(shape, training);
  return {
    training: {
      halfTeraFlops: pass(work.training) * steps + pass(work.heldOut) + pass(work.validation),
      fp32TeraFlops: 0,
      movedBytes:
        lora(work.training) * steps +
        lora(work.heldOut) +
        lora(work.validation) +
        (unpacked * (steps - 1) * work.training.images) / training.batchSize,
    },
    encoding: {
      halfTeraFlops: work.captions * CAPTION_TERAFLOPS,
      fp32TeraFlops: work.views.images * encoderTeraFlops(work.views.size),
      movedBytes: 0,
    },
    judging: {
      halfTeraFlops: pass(work.painting) + judgeTeraFlops(work, evaluation.models, true),
      fp32TeraFlops: judgeTeraFlops(work, evaluation.models, false),
      movedBytes: 0,
    },
  };
}

/** T5-XXL and CLIP over 512 and 77 tokens, counted on the real shapes. */
const CAPTION_TERAFLOPS = 4.9;

/** FLUX's VAE encoder, counted on the real shapes: 1.12 at 512 and 2.61 at 768 pixels; its attention grows with the square. */
function encoderTeraFlops(size: number): number {
  const area = (size / 512) ** 2;
  return 1.088 * area + 0.032 * area ** 2;
}

/** 10¹² operations an image: two a weight and token. The one that answers questions computes in half precision. */
const JUDGE_TERAFLOPS: Record<ModelRole, number> = {
  features: 0.044,
  clip: 0.16,
  style: 0.16,
  copies: 0.044,
  questions: 9,
  preference: 0.33,
};

function judgeTeraFlops({ judged }: RunWork, models: EvaluationModels, half: boolean): number {
  return MODEL_ROLES.filter((role) => models[role] !== null && (role === 'questions') === half)
    .map((role) => judged[role] * JUDGE_TERAFLOPS[role])
    .reduce((sum, one) => sum + one, 0);
}

/** Bytes of the latents and text embeddings that a run puts on the Hub; for each caption T5's whole sequence. */
export function latentBytes(
  work: Pick<RunWork, 'views' | 'captions'>,
  training: Pick<RunConfig['training'], 'precision'>,
  textWidth = 4096,
): number {
  const each = training.precision === 'fp32' ? 4 : 2;
  const view = 16 * (work.views.size / 8) ** 2 * each;
  return Math.round(work.views.images * view + work.captions * 512 * textWidth * 2);
}

/** Captions by genre are this many at most; a captioner writes another one for every picture. */
const GENRE_CAPTIONS = 64;

/** The most that a run's latents and embeddings can come to, before its pictures are known: every draw another view. */
export function mostLatentBytes(config: WorkConfig, textWidth?: number): number {
  const { training, dataset } = config;
  const drawn = training.steps * training.accumulation * training.batchSize;
  const extra = HELD_OUT.pictures + HELD_OUT.trained;
  const pictures = dataset.maxImages ?? Number.POSITIVE_INFINITY;
  const captions = dataset.captioner === null ? GENRE_CAPTIONS : Math.min(drawn + extra, pictures);
  // A picture has six views at most.
  const views = { images: Math.min(drawn + extra, 6 * pictures), size: dataset.resolution };
  return latentBytes({ views, captions }, training, textWidth);
}
