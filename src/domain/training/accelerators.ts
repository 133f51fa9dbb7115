/** What an hour on an accelerator cost somewhere, when. */
export interface Price {
  usdPerHour: number;
  source: string;
  /** Day on which it was read. */
  asOf: string;
}

/** An accelerator as its maker describes it, and what is known of it in practice. */
export interface AcceleratorFacts {
  /** How a driver calls it. */
  driver: RegExp;
  /** Bytes that a process can use, as `probe` finds them. */
  memory: number;
  /** Bytes a second between the chip and its memory, from the data sheet. */
  bandwidth: number;
  /** Dense peak in 10¹² operations a second with fp32 sums, from the data sheet; 0: it has no units for the type. */
  peak: { fp32: number; fp16: number; bf16: number; int8: number; fp8: number };
  /** Share of the half-precision peak that diffusion transformers reach in training. */
  reached: number;
  /** Where that share is from. */
  basis: 'published' | 'assumed';
  /** Colab compute units an hour, roughly, as its panel showed them in 2026; null: not on Colab. 100 units cost about 10 USD. */
  colabUnits: number | null;
  /** A price elsewhere; null: none is known with its source. */
  price: Price | null;
}

/** Per-second prices times 3600, on the page of the provider's own documentation. */
const runpod = (usdPerHour: number): Price => ({
  usdPerHour,
  source: 'docs.runpod.io/serverless/pricing, flex workers, seconds × 3600',
  asOf: '2026-11-30',
});

/**
 * The accelerators that are reckoned with: the one table that forecasts, memory checks, profiles, prices and GPU sources read.
 * Published: 4.5 to 5.1 s (T4) and 0.88 s (RTX 4090) a micro-step at rank 4 and 512×768; the rest is assumed.
 */
export const ACCELERATORS = {
  T4: {
    ...{ driver: /\bT4\b/, memory: 15.6e9, bandwidth: 300e9 },
    peak: { fp32: 8.1, fp16: 65, bf16: 0, int8: 130, fp8: 0 },
    ...{ reached: 0.3, basis: 'published', colabUnits: 1.2, price: null },
  },
  L4: {
    ...{ driver: /\bL4\b/, memory: 23.6e9, bandwidth: 300e9 },
    peak: { fp32: 30.3, fp16: 121, bf16: 121, int8: 242, fp8: 242 },
    ...{ reached: 0.4, basis: 'assumed', colabUnits: 1.7, price: runpod(0.684) },
  },
  A10G: {
    ...{ driver: /\bA10G?\b/, memory: 23.6e9, bandwidth: 600e9 },
    peak: { fp32: 35, fp16: 70, bf16: 70, int8: 140, fp8: 0 },
    ...{ reached: 0.5, basis: 'assumed', colabUnits: null, price: null },
  },
  'RTX 3090': {
    ...{ driver: /\b3090\b/, memory: 25.3e9, bandwidth: 936e9 },
    peak: { fp32: 35.6, fp16: 71, bf16: 71, int8: 284, fp8: 0 },
    ...{ reached: 0.6, basis: 'assumed', colabUnits: null, price: runpod(0.684) },
  },
  'RTX 4090': {
    ...{ driver: /\b4090\b/, memory: 25.3e9, bandwidth: 1008e9 },
    peak: { fp32: 82.6, fp16: 165, bf16: 165, int8: 660, fp8: 330 },
    ...{ reached: 0.66, basis: 'published', colabUnits: null, price: runpod(1.116) },
  },
  'RTX 5090': {
    ...{ driver: /\b5090\b/, memory: 33.7e9, bandwidth: 1792e9 },
    peak: { fp32: 104.8, fp16: 209.5, bf16: 209.5, int8: 838, fp8: 419 },
    ...{ reached: 0.6, basis: 'assumed', colabUnits: null, price: null },
  },
  'A100 40 GB': {
    ...{ driver: /\bA100\b/, memory: 42.4e9, bandwidth: 1555e9 },
    peak: { fp32: 19.5, fp16: 312, bf16: 312, int8: 624, fp8: 0 },
    ...{ reached: 0.4, basis: 'assumed', colabUnits: 5.4, price: null },
  },
  L40S: {
    ...{ driver: /\bL40S\b/, memory: 47.7e9, bandwidth: 864e9 },
    peak: { fp32: 91.6, fp16: 362, bf16: 362, int8: 733, fp8: 733 },
    ...{ reached: 0.4, basis: 'assumed', colabUnits: null, price: runpod(1.908) },
  },
  'A100 80 GB': {
    ...{ driver: /\bA100\b/, memory: 85e9, bandwidth: 1935e9 },
    peak: { fp32: 19.5, fp16: 312, bf16: 312, int8: 624, fp8: 0 },
    ...{ reached: 0.4, basis: 'assumed', colabUnits: null, price: runpod(2.736) },
  },
  H100: {
    ...{ driver: /\bH100\b/, memory: 85e9, bandwidth: 3350e9 },
    peak: { fp32: 67, fp16: 989, bf16: 989, int8: 1979, fp8: 1979 },
    ...{ reached: 0.35, basis: 'assumed', colabUnits: 8.6, price: runpod(4.176) },
  },
  'RTX PRO 6000': {
    // Colab's and Google Cloud's G4.
    ...{ driver: /\bRTX PRO 6000\b|\bG4\b/i, memory: 102e9, bandwidth: 1597e9 },
    peak: { fp32: 120, fp16: 500, bf16: 500, int8: 1000, fp8: 1000 },
    ...{ reached: 0.4, basis: 'assumed', colabUnits: null, price: null },
  },
  H200: {
    ...{ driver: /\bH200\b/, memory: 150e9, bandwidth: 4800e9 },
    peak: { fp32: 67, fp16: 989, bf16: 989, int8: 1979, fp8: 1979 },
    ...{ reached: 0.35, basis: 'assumed', colabUnits: null, price: runpod(5.58) },
  },
} as const satisfies Record<string, AcceleratorFacts>;
export type AcceleratorName = keyof typeof ACCELERATORS;

export const ACCELERATOR_NAMES = Object.keys(ACCELERATORS) as [AcceleratorName, ...AcceleratorName[]];

/** The facts of an accelerator, without what TypeScript knows of each. */
export function factsOf(name: AcceleratorName): AcceleratorFacts {
  return ACCELERATORS[name];
}

/** The accelerator that a driver's name and memory stand for, of two sizes the nearer one; null: none that is known. */
export function acceleratorOf(machine: { name: string; vramBytes?: number | null }): AcceleratorName | null {
  const called = ACCELERATOR_NAMES.filter((name) => ACCELERATORS[name].driver.test(machine.name));
  const memory = machine.vramBytes ?? 0;
  const off = (name: AcceleratorName) => Math.abs(ACCELERATORS[name].memory - memory);
  return called.toSorted((a, b) => off(a) - off(b))[0] ?? null;
}

/** Whether an accelerator has units for a type of number; one that no table knows is taken to have them. */
export function computesIn(name: AcceleratorName | null, precision: 'fp32' | 'bf16' | 'fp16'): boolean {
  return name === null || factsOf(name).peak[precision] > 0;
}

/** 10¹² operations a second that a training in this type of number gets out of an accelerator. */
export function speedOf(
  { peak, reached }: Pick<AcceleratorFacts, 'peak' | 'reached'>,
  precision: 'fp32' | 'bf16' | 'fp16',
): number {
  // Without units for bf16 it is computed in fp32's.
  return (precision === 'bf16' && peak.bf16 === 0 ? peak.fp32 : peak[precision]) * reached;
}
