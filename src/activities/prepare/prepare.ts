import type { PipelineActivities } from '../../domain/run/activities.ts';
import type { PrepareDeps } from './deps.ts';
import { createPlanPreparation } from './plan.ts';
import { createAssembleDataset } from './publish.ts';
import { createPrepareShard } from './shard.ts';

/** Makes the `prepare` activity: plan, every shard and the dataset, one after the other in one place. */
export function createPrepare(deps: PrepareDeps): PipelineActivities['prepare'] {
  const plan = createPlanPreparation(deps);
  const prepareShard = createPrepareShard(deps);
  const assembleDataset = createAssembleDataset(deps);
  return async ({ context }) => {
    const planned = await plan({ context });
    if (planned.done !== null) return planned.done;
    const { work, shards } = planned;
    for (const { shard } of shards) await prepareShard({ context, work, shard });
    return assembleDataset({ context, work });
  };
}
