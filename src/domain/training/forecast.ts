import { z } from 'zod';
import type { BudgetConfig, TrainingConfig } from '../config/run-config.ts';

/** A GPU that Colab hands out. */
interface Gpu {
  /** Memory that a process can use, in bytes. */
  memory: number;
  /** Dense half-precision peak in 10¹² operations a second, from the maker's data sheet. */
  peak: number;
  /** Part of the peak that diffusion transformers reach in training, roughly. */
  reached: number;
  /** Colab compute units an hour, roughly: Google shows them in the session and changes them. */
  unitsPerHour: number;
}

/** The GPUs that a forecast is made for. */
const GPUS = {
  T4: { memory: 15e9, peak: 65, reached: 0.3, unitsPerHour: 1.2 },
  L4: { memory: 22.5e9, peak: 121, reached: 0.4, unitsPerHour: 1.7 },
  A100: { memory: 40e9, peak: 312, reached: 0.4, unitsPerHour: 5.4 },
  H100: { memory: 80e9, peak: 989, reached: 0.35, unitsPerHour: 8.6 },
} as const satisfies Record<string, Gpu>;
export type GpuKind = keyof typeof GPUS;

/** What a training would take on one kind of GPU; a prediction from shapes, off by a factor of two at times. */
export const GpuForecast = z.strictObject({
  gpu: z.enum(Object.keys(GPUS) as [GpuKind, ...GpuKind[]]),
  /** Whether the predicted memory fits; null in records from before memory was predicted. */
  fits: z.boolean().nullable(),
  secondsPerStep: z.number(),
  /** Of the training. */
  hours: z.number(),
  /** Of painting what the first verdict needs; null in records from before it was predicted. */
  evaluationHours: z.number().nullable().default(null),
  /** Of both. */
  computeUnits: z.number(),
});
export type GpuForecast = z.infer<typeof GpuForecast>;

/** What is known of a training beforehand. */
export interface ForecastFacts {
  /** 10¹² operations of one micro-step, forward and backward. */
  teraFlops: number;
  /** Predicted peak memory in bytes. */
  vramBytes: number;
  training: Pick<TrainingConfig, 'steps' | 'accumulation'>;
  /** 10¹² operations of all the pictures that the first verdict needs. */
  paintingTeraFlops: number;
}

/** The forecast for every kind of GPU. */
export function forecast({
  teraFlops,
  vramBytes,
  training,
  paintingTeraFlops,
}: ForecastFacts): GpuForecast[] {
  return (Object.entries(GPUS) as [GpuKind, Gpu][]).map(([gpu, { memory, peak, reached, unitsPerHour }]) => {
    const secondsPerStep = (teraFlops * training.accumulation) / (peak * reached);
    const hours = (secondsPerStep * training.steps) / 3600;
    const evaluationHours = paintingTeraFlops / (peak * reached) / 3600;
    return {
      gpu,
      fits: vramBytes <= memory,
      secondsPerStep: rounded(secondsPerStep),
      hours: rounded(hours),
      evaluationHours: rounded(evaluationHours),
      computeUnits: rounded((hours + evaluationHours) * unitsPerHour),
    };
  });
}

/** How far a forecast may be off before a budget counts as impossible. */
const DOUBT = 4;

/** Why a budget cannot be met on any GPU that the training fits on, even if the forecast is far off; null: it can. */
export function impossibleBudget(
  forecasts: readonly GpuForecast[],
  budget: Pick<BudgetConfig, 'gpuHours'>,
): string | null {
  const fitting = forecasts.filter(({ fits }) => fits !== false);
  if (fitting.length === 0)
    return 'Expected a training that fits on some GPU of Colab, got one that needs more memory than an H100 has: quantize the base, lower dataset.resolution, training.batchSize or training.rank.';
  const best = fitting.reduce((a, b) => (b.hours < a.hours ? b : a));
  return best.hours > budget.gpuHours * DOUBT
    ? `Expected the training to fit into ${budget.gpuHours} GPU hours (budget.gpuHours), got a forecast of ${best.hours} h on the fastest GPU (${best.gpu}): lower training.steps or raise the budget.`
    : null;
}

function rounded(value: number): number {
  return Number(value.toPrecision(3));
}
