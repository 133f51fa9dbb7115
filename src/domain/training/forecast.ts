import { z } from 'zod';
import type { BudgetConfig, TrainingConfig } from '../config/run-config.ts';
import { ACCELERATOR_NAMES, type AcceleratorFacts, factsOf, speedOf } from './accelerators.ts';
import type { TransformerShape } from './lora-size.ts';
import { trainingNeeds } from './needs.ts';
import { loadOf, type WorkConfig, type WorkFacts, type WorkLoad, workOf } from './work.ts';

/** What a run would take on one kind of accelerator; a prediction from shapes, off by a factor of two at times. */
export const GpuForecast = z.strictObject({
  gpu: z.enum(ACCELERATOR_NAMES),
  /** Whether the predicted memory fits. */
  fits: z.boolean(),
  /** Of a step alone, without measuring. */
  secondsPerStep: z.number(),
  /** Of the training, held-out losses and validation images included. */
  hours: z.number(),
  /** Of encoding pictures and captions before it. */
  encodingHours: z.number(),
  /** Of painting and judging what the first verdict needs. */
  evaluationHours: z.number(),
  /** Of all three, as Colab counts; null: it is not on Colab. */
  computeUnits: z.number().nullable(),
  /** Of all three, at the price that the table of accelerators names with its source; null: it names none. */
  usd: z.number().nullable(),
});
export type GpuForecast = z.infer<typeof GpuForecast>;

/** What is known of a run beforehand. */
export interface ForecastFacts {
  /** Predicted peak memory in bytes. */
  vramBytes: number;
  training: Pick<TrainingConfig, 'precision'>;
  /** One step, without measuring. */
  step: WorkLoad;
  load: { training: WorkLoad; encoding: WorkLoad; judging: WorkLoad };
}

/** Seconds that an accelerator takes for a load: its arithmetic, and what must pass through its memory besides. */
export function secondsFor(
  load: WorkLoad,
  facts: Pick<AcceleratorFacts, 'peak' | 'reached' | 'bandwidth'>,
  precision: TrainingConfig['precision'],
): number {
  return (
    load.halfTeraFlops / speedOf(facts, precision) +
    load.fp32TeraFlops / speedOf(facts, 'fp32') +
    load.movedBytes / facts.bandwidth
  );
}

/** The forecast for every accelerator of the table. */
export function forecast({ vramBytes, training, step, load }: ForecastFacts): GpuForecast[] {
  return ACCELERATOR_NAMES.map((gpu) => {
    const facts = factsOf(gpu);
    const seconds = (of: WorkLoad) => secondsFor(of, facts, training.precision);
    const [hours, encodingHours, evaluationHours] = [load.training, load.encoding, load.judging].map(
      (of) => seconds(of) / 3600,
    ) as [number, number, number];
    const all = hours + encodingHours + evaluationHours;
    return {
      gpu,
      fits: vramBytes <= facts.memory,
      secondsPerStep: rounded(seconds(step)),
      hours: rounded(hours),
      encodingHours: rounded(encodingHours),
      evaluationHours: rounded(evaluationHours),
      computeUnits: facts.colabUnits === null ? null : rounded(all * facts.colabUnits),
      usd: facts.price === null ? null : rounded(all * facts.price.usdPerHour),
    };
  });
}

/** The forecast of a run, from its configuration and what is known of its pictures. */
export function forecastRun(
  run: { shape: TransformerShape; config: WorkConfig; vramBytes: number },
  facts: WorkFacts,
): GpuForecast[] {
  const { shape, config, vramBytes } = run;
  const { training, dataset } = config;
  const needs = trainingNeeds(shape, training, dataset.resolution);
  const step = {
    halfTeraFlops: needs.teraFlops * training.accumulation,
    fp32TeraFlops: 0,
    movedBytes: needs.movedBytes * training.accumulation,
  };
  return forecast({ vramBytes, training, step, load: loadOf(shape, config, workOf(config, facts)) });
}

/** How far a forecast may be off before a budget counts as impossible. */
const DOUBT = 4;

/** Why a budget cannot be met on any accelerator that the training fits on, even if the forecast is far off; null: it can. */
export function impossibleBudget(
  forecasts: readonly GpuForecast[],
  budget: Pick<BudgetConfig, 'gpuHours'>,
): string | null {
  const fitting = forecasts.filter(({ fits }) => fits);
  if (fitting.length === 0)
    return 'Expected a training that fits on some accelerator of the table, got one that needs more memory than an H200 has: quantize the base, lower dataset.resolution, training.batchSize or training.rank.';
  const hoursOf = ({ hours, encodingHours }: GpuForecast) => hours + encodingHours;
  const best = fitting.reduce((a, b) => (hoursOf(b) < hoursOf(a) ? b : a));
  return hoursOf(best) > budget.gpuHours * DOUBT
    ? `Expected the training to fit into ${budget.gpuHours} GPU hours (budget.gpuHours), got a forecast of ${rounded(hoursOf(best))} h on the fastest GPU (${best.gpu}): lower training.steps or raise the budget.`
    : null;
}

function rounded(value: number): number {
  return Number(value.toPrecision(3));
}
