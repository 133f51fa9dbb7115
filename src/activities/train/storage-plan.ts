import { BudgetConfig, CheckpointConfig, type TrainingConfig } from '../../domain/config/run-config.ts';
import { TuningConfig } from '../../domain/config/tuning-config.ts';
import { PipelineError } from '../../domain/errors.ts';
import type { RunContext } from '../../domain/run/context.ts';
import { planStorage, type StoragePlan } from '../../domain/training/checkpoint-storage.ts';
import { checkpointBytes, loraParameters, TransformerShape } from '../../domain/training/lora-size.ts';
import { mostLatentBytes } from '../../domain/training/work.ts';
import { studyBranches } from '../../domain/tuning/top-k.ts';
import type { Hub } from '../../hub/hub.ts';

/**
 * Reckons from the base's shape how large a run's checkpoints become and fits what is kept of them into the storage budget;
 * a run that cannot fit is refused. `training` has a trial's parameters in place where there are any.
 */
export async function planRunStorage(
  hub: Hub,
  p: {
    context: Pick<RunContext, 'run' | 'config' | 'base'>;
    training: Pick<TrainingConfig, 'rank' | 'targets' | 'ema' | 'optimizer'>;
    steps: number;
  },
): Promise<Extract<StoragePlan, { fits: true }>> {
  const { run, config, base } = p.context;
  const budget = BudgetConfig.parse(config.budget);
  const { keepEvery, squashEvery } = CheckpointConfig.parse(config.checkpoints);
  const at = { type: base.type, repo: base.repo };
  const bytes = await hub.read(at, base.commit, 'transformer/config.json');
  const shape = bytes === null ? undefined : TransformerShape.safeParse(parseAny(bytes)).data;
  // A base that does not tell its shape cannot be reckoned with; the trainer will say what is wrong with it.
  const size = shape === undefined ? 0 : checkpointBytes(loraParameters(shape, p.training), p.training);
  const { keepCheckpoints } = config.training;
  const branches = studyBranches(TuningConfig.parse(config.tuning));
  const latents = shape === undefined ? 0 : mostLatentBytes(config, shape.joint_attention_dim);
  const facts = {
    ...{ checkpointBytes: size, steps: p.steps, keepCheckpoints, keepEvery, squashEvery, branches },
    latentBytes: latents,
  };
  const found = planStorage(facts, budget);
  if (found.fits) return found;
  throw new PipelineError(
    'InvalidInput',
    `expected the checkpoints and latents of ${run} to fit into ${budget.storageGb} GB (budget.storageGb), got ${(found.bytes / 1e9).toFixed(1)} GB at ${(size / 1e9).toFixed(2)} GB a checkpoint, even when history is squashed after every one, and ${(latents / 1e9).toFixed(1)} GB of latents: raise budget.storageGb, or lower training.rank or training.keepCheckpoints`,
  );
}

function parseAny(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch {
    return null;
  }
}
