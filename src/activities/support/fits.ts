import { PipelineError } from '../../domain/errors.ts';
import type { RunContext } from '../../domain/run/context.ts';
import { classAbove, classForNeed, classOfMachine, describeClass } from '../../domain/run/gpu-class.ts';
import { acceleratorOf, computesIn } from '../../domain/training/accelerators.ts';
import { type GpuCheck, measuredFactor } from '../../domain/training/gpu-check.ts';
import { TransformerShape } from '../../domain/training/lora-size.ts';
import {
  type Machine,
  microStepSeconds,
  overflow,
  type TrainingNeeds,
  type TrainingShape,
  trainingNeeds,
} from '../../domain/training/needs.ts';
import type { Hub } from '../../hub/hub.ts';
import { jsonOrNull } from '../../hub/verified-json.ts';
import type { Trainer } from '../../trainer/trainer.ts';

/** Work on the base, as far as its size on a machine goes. */
export interface FittingWork {
  hub: Hub;
  trainer: Trainer;
  context: Pick<RunContext, 'base' | 'config'>;
  /** Settings of the training; default: the run's own. */
  training?: TrainingShape;
  /** What `plein-air gpu-check` measured on this machine; default: nothing. */
  measured?: GpuCheck | null;
  /** Weights of the largest model that judges, where the work is an evaluation. */
  judgeBytes?: number;
}

/** What a judge needs besides its weights, as a factor: activations of a few pictures, and CUDA's own. */
const JUDGE_SPARE = 1.1;

/**
 * Refuses work that this machine cannot hold, before gigabytes are downloaded for it, and says which class of accelerator
 * it needs: the run then waits for one. Else says what it will take.
 */
export async function checkFits(work: FittingWork): Promise<string> {
  const { context, trainer } = work;
  const shape = await shapeOf(work.hub, context);
  if (shape === undefined) return 'nothing predicted: the base does not tell its shape';
  const training = work.training ?? context.config.training;
  const needs = trainingNeeds(shape, training, context.config.dataset.resolution);
  // The base has left the accelerator before they come, one after the other.
  const judge = JUDGE_SPARE * (work.judgeBytes ?? 0);
  const whole = { ...needs, vramBytes: Math.max(needs.vramBytes, judge) };
  const machine = await trainer.call('probe', {});
  const problem = misfit(whole, machine, context) ?? overflow(whole, machine, training);
  if (problem !== null)
    throw new PipelineError('OutOfMemory', problem, { details: { gpuClass: classFor(whole, machine) } });
  const predicted = microStepSeconds(needs, machine, training.precision);
  const seconds =
    predicted === null ? null : predicted * measuredFactor(work.measured ?? null, machine, training);
  const time = seconds === null ? '' : `, ${seconds.toFixed(2)} s a micro-step`;
  return `predicted: ${(whole.vramBytes / 1e9).toFixed(1)} GB on the accelerator, ${(whole.ramBytes / 1e9).toFixed(1)} GB on the host${time}`;
}

/**
 * A run on a base that needs an accelerator is not for a machine without one, however much memory it has, and one in bf16 not
 * for a card that only imitates it; whoever pins a run to a session has chosen.
 */
function misfit(needs: TrainingNeeds, machine: Machine, { config }: FittingWork['context']): string | null {
  const needed = classForNeed(needs.vramBytes);
  if (config.gpuSession !== null || needed === 0) return null;
  const { precision } = config.training;
  if (machine.device !== 'cpu')
    return computesIn(acceleratorOf(machine), precision)
      ? null
      : `expected an accelerator that computes in ${precision} (training.precision), got ${machine.name}, which imitates it many times slower: wait for a newer one, or set fp16`;
  return `expected ${describeClass(needed)} for a base that needs about ${(needs.vramBytes / 1e9).toFixed(1)} GB, got a machine without one`;
}

/** The class that would do: what the prediction says, and more than the machine that it did not fit on; null: none is larger. */
function classFor(needs: TrainingNeeds, machine: Machine): number | null {
  const above = classAbove(classOfMachine(machine.vramBytes));
  return above === null ? null : Math.max(classForNeed(needs.vramBytes), above);
}

/** The base's shape; undefined where it does not tell: the trainer will say what is wrong with it. */
async function shapeOf(hub: Hub, { base }: FittingWork['context']): Promise<TransformerShape | undefined> {
  const repo = { type: base.type, repo: base.repo };
  const bytes = await hub.read(repo, base.commit, 'transformer/config.json');
  return bytes === null ? undefined : TransformerShape.safeParse(jsonOrNull(bytes)).data;
}
