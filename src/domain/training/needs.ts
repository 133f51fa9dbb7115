import type { Profile } from '../config/profiles.ts';
import type { TrainingConfig } from '../config/run-config.ts';
import { acceleratorOf, factsOf, speedOf } from './accelerators.ts';
import { checkpointBytes, loraParameters, MOMENT_BYTES, type TransformerShape } from './lora-size.ts';

/** What a training will take up, predicted from shapes alone; bytes, unless the name says otherwise. */
export interface TrainingNeeds {
  /** Weights of the base's transformer: 11.901 billion for FLUX.1-dev. */
  baseParameters: number;
  /** Weights of the LoRA. */
  loraParameters: number;
  /** The frozen transformer as it is held on the accelerator, offloaded blocks left out. */
  baseBytes: number;
  /** LoRA, gradients, moments and moving average. */
  stateBytes: number;
  /** What the backward pass needs of the forward pass, at its peak. */
  activationBytes: number;
  /** Peak on the accelerator over encoding, training and sampling. */
  vramBytes: number;
  /** Peak on the host besides the operating system. */
  ramBytes: number;
  checkpointBytes: number;
  /** 10¹² floating-point operations of one micro-step, forward, recomputed and backward. */
  teraFlops: number;
  /** Bytes that a micro-step moves through the accelerator's memory besides what its arithmetic does. */
  movedBytes: number;
}

/** The part of a training's settings that decides what it takes up. */
export type TrainingShape = Pick<
  TrainingConfig,
  | 'rank'
  | 'targets'
  | 'ema'
  | 'batchSize'
  | 'optimizer'
  | 'precision'
  | 'quantization'
  | 'offloadBlocks'
  | 'gradientCheckpointing'
>;

/** Text encoders on the accelerator in bf16, CLIP and T5-XXL: they are there while the transformer is not. */
const FLUX_TEXT_BYTES = 9.8e9;
/** CUDA's context, its libraries' workspaces and fragmentation. */
const CONTEXT_BYTES = 0.6e9;
const FRAGMENTATION = 1.05;
/** Python, torch and the libraries. */
const PROCESS_BYTES = 2.5e9;
const TEXT_TOKENS = 512;
/** T5 of a base that is not FLUX.1-dev's width is small, as the tiny base's is. */
const FLUX_WIDTH = 3072;

/** Bytes a weight of the blocks takes up on the accelerator; NF4 and int8 with their scales. */
function bytesPerWeight(training: Pick<TrainingShape, 'precision' | 'quantization'>): number {
  switch (training.quantization) {
    case 'nf4':
      return 0.5 + 1 / 64 + 4 / (64 * 256);
    case 'int8':
    case 'fp8':
      return 1 + 4 / FLUX_WIDTH;
    case 'none':
      return training.precision === 'fp32' ? 4 : 2;
  }
}

/** What a training needs; `resolution` is the side of the square area in pixels. */
export function trainingNeeds(
  shape: TransformerShape,
  training: TrainingShape,
  resolution: number,
): TrainingNeeds {
  const width = shape.attention_head_dim * shape.num_attention_heads;
  const weights = blockWeights(shape, width);
  const compute = training.precision === 'fp32' ? 4 : 2;
  const perWeight = bytesPerWeight(training);
  // The last blocks stay behind, single ones first; one of them visits at a time.
  const single = Math.min(training.offloadBlocks, shape.num_single_layers);
  const double = Math.min(training.offloadBlocks - single, shape.num_layers);
  const offloaded = (single * weights.single + double * weights.double) * perWeight;
  const visitor = training.offloadBlocks > 0 ? weights.double * perWeight : 0;
  const blocks = shape.num_layers * weights.double + shape.num_single_layers * weights.single;
  const baseParameters = blocks + weights.outside;
  const baseBytes = blocks * perWeight + weights.outside * compute - offloaded + visitor;
  const lora = loraParameters(shape, training);
  const stateBytes = lora * (4 + 4 + MOMENT_BYTES[training.optimizer] + (training.ema > 0 ? 4 : 0));
  const tokens = tokensOf(resolution);
  const activationBytes = activations({ shape, width, training, tokens, compute, weights });
  const saved = checkpointBytes(lora, training);
  const textBytes = width >= FLUX_WIDTH ? FLUX_TEXT_BYTES : 0.1e9;
  const vram = Math.max(baseBytes + stateBytes + activationBytes, textBytes) * FRAGMENTATION + CONTEXT_BYTES;
  const whole = training.quantization === 'none' ? baseParameters * compute : weights.double * 4;
  return {
    baseParameters,
    loraParameters: lora,
    baseBytes: Math.round(baseBytes),
    stateBytes: Math.round(stateBytes),
    activationBytes: Math.round(activationBytes),
    vramBytes: Math.round(vram),
    // Encoders and base pass through the host one after the other; a checkpoint is copied, packed and joined there.
    ramBytes: Math.round(PROCESS_BYTES + Math.max(textBytes, whole, offloaded + 3 * saved)),
    checkpointBytes: saved,
    teraFlops: forwardTeraFlops(shape, resolution) * training.batchSize * passesOfStep(training),
    movedBytes:
      loraTrafficBytes(shape, training, resolution) * training.batchSize * passesOfStep(training) +
      unpackedBytes(shape, training) * (passesOfStep(training) - 1),
  };
}

/** Weights of a double and a single block, biases and norms included, and of everything around them. */
function blockWeights(shape: TransformerShape, width: number) {
  const head = shape.attention_head_dim;
  return {
    double: 36 * width ** 2 + 30 * width + 4 * head,
    single: 15 * width ** 2 + 11 * width + 2 * head,
    // Embedders of FLUX's inputs (64 latents, 4096 of T5, 768 of CLIP, 2 × 256 of time and guidance) and the last layer.
    outside: width * (64 + 4096 + 768 + 2 * 256 + 64) + 5 * width ** 2 + 10 * width + 64,
  };
}

/** Without checkpointing every block's inner values are kept; with it, one block's, and every block's input. */
function activations(p: {
  shape: TransformerShape;
  width: number;
  training: TrainingShape;
  tokens: number;
  compute: number;
  weights: { double: number; single: number };
}): number {
  const blocks = p.shape.num_layers + p.shape.num_single_layers;
  const inputs = p.tokens * p.width * p.compute;
  // Counted on the meta device for attention kernels that keep no matrix of all tokens by all tokens, and rounded up.
  const inner = 35 * inputs;
  const { gradientCheckpointing, batchSize, quantization } = p.training;
  const { double, single } = p.weights;
  const all = p.shape.num_layers * double + p.shape.num_single_layers * single;
  // torchao's layers keep their unpacked weight for the backward pass, bitsandbytes' unpack it twice, one layer at a time.
  const unpacked = {
    none: 0,
    nf4: 16 * p.width ** 2,
    int8: gradientCheckpointing ? double : all,
    fp8: gradientCheckpointing ? double : all,
  }[quantization];
  const kept = gradientCheckpointing ? blocks * inputs + inner : blocks * inner;
  return kept * batchSize + unpacked * p.compute;
}

/** Passes of a step over each image: forward and the gradient of the inputs, once more forward where that is recomputed. */
export function passesOfStep({
  gradientCheckpointing,
}: Pick<TrainingShape, 'gradientCheckpointing'>): number {
  return gradientCheckpointing ? 3 : 2;
}

/** 10¹² operations of one image's forward pass, `size` being the side of its square area in pixels. */
export function forwardTeraFlops(shape: TransformerShape, size: number): number {
  const width = shape.attention_head_dim * shape.num_attention_heads;
  const blocks = shape.num_layers + shape.num_single_layers;
  const tokens = tokensOf(size);
  return (blocks * tokens * (24 * width ** 2 + 4 * width * tokens)) / 1e12;
}

/**
 * Bytes that the LoRA's fp32 arithmetic moves for one image's pass: what goes into each adapted layer is cast, what comes
 * out is added to the base's answer and cast back. Its weights are few beside them.
 */
export function loraTrafficBytes(
  shape: TransformerShape,
  training: Pick<TrainingShape, 'targets'>,
  size: number,
): number {
  return 11 * tokensOf(size) * loraParameters(shape, { rank: 1, targets: training.targets });
}

/** Bytes that torchao moves to unpack an 8 bit base for one pass: read, written in 16 bits, read again. */
export function unpackedBytes(
  shape: TransformerShape,
  { quantization }: Pick<TrainingShape, 'quantization'>,
): number {
  if (quantization !== 'int8' && quantization !== 'fp8') return 0;
  const { double, single } = blockWeights(shape, shape.attention_head_dim * shape.num_attention_heads);
  return (1 + 2 + 2) * (shape.num_layers * double + shape.num_single_layers * single);
}

function tokensOf(size: number): number {
  return (size / 16) ** 2 + TEXT_TOKENS;
}

/** What a machine offers, as the trainer's `probe` tells it. */
export interface Machine {
  device: 'cpu' | 'cuda';
  name: string;
  vramBytes: number | null;
  ramBytes: number;
  /** Processes that train together, an accelerator each; each of them passes the base through the host. */
  processes?: number;
}

const gb = (bytes: number) => `${(bytes / 1e9).toFixed(1)} GB`;

/** Why a training does not fit on a machine, and what would make it fit; null: it fits. */
export function overflow(needs: TrainingNeeds, machine: Machine, training: TrainingShape): string | null {
  const ways = [
    ...(training.quantization === 'none' ? ['training.quantization nf4, int8 or fp8'] : []),
    ...(training.quantization === 'int8' || training.quantization === 'fp8'
      ? ['training.quantization nf4']
      : []),
    ...(training.gradientCheckpointing ? [] : ['training.gradientCheckpointing true']),
    ...(training.batchSize > 1 ? ['a smaller training.batchSize with more training.accumulation'] : []),
    'training.offloadBlocks',
    'a smaller dataset.resolution or training.rank',
  ].join(', ');
  const processes = machine.processes ?? 1;
  // Every process holds its own gradients in one piece, and those of all.
  const exchanged = processes === 1 ? 0 : 4 * needs.loraParameters * (processes + 1);
  const vram = needs.vramBytes + exchanged;
  if (machine.vramBytes !== null && vram > machine.vramBytes)
    return `expected a training that fits on ${machine.name} with ${gb(machine.vramBytes)} of memory, got one that needs about ${gb(vram)} (base ${gb(needs.baseBytes)}, LoRA and optimizer ${gb(needs.stateBytes)}, activations ${gb(needs.activationBytes)}): try ${ways}`;
  const each = machine.device === 'cpu' ? needs.ramBytes + needs.vramBytes : needs.ramBytes;
  const onHost = each * processes;
  if (onHost > machine.ramBytes)
    return `expected a training that fits into the ${gb(machine.ramBytes)} of memory of this machine, got one that needs about ${gb(onHost)}: use a machine with more memory, or a quantized base (training.quantization)`;
  return null;
}

/** Seconds of one micro-step on a machine, as the table of accelerators has it; null where its kind is not known. */
export function microStepSeconds(
  needs: Pick<TrainingNeeds, 'teraFlops' | 'movedBytes'>,
  machine: Pick<Machine, 'name'> & Partial<Pick<Machine, 'vramBytes'>>,
  precision: TrainingConfig['precision'],
): number | null {
  const name = acceleratorOf(machine);
  if (name === null) return null;
  const facts = factsOf(name);
  return needs.teraFlops / speedOf(facts, precision) + needs.movedBytes / facts.bandwidth;
}

/** The profile for a machine: the largest whose prediction fits its accelerator's memory; `tiny` without one. */
export function profileFor(machine: Pick<Machine, 'device' | 'name' | 'vramBytes'>): Profile {
  const memory = machine.vramBytes ?? 0;
  if (machine.device === 'cpu') return 'tiny';
  if (memory >= 70e9) return 'h100';
  if (memory >= 38e9) return 'a100';
  return memory >= 21e9 && !/\b(T4|V100|P100)\b/.test(machine.name) ? 'l4' : 't4';
}
