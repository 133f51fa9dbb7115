import type { PrepareDeps } from '../../src/activities/prepare/deps.ts';
import { createPlanPreparation } from '../../src/activities/prepare/plan.ts';
import { createAssembleDataset } from '../../src/activities/prepare/publish.ts';
import { createPrepareShard } from '../../src/activities/prepare/shard.ts';
import type { PreparedDataset } from '../../src/domain/dataset/prepared-dataset.ts';
import type { RunContext } from '../../src/domain/run/context.ts';

/** Plans, prepares every shard and assembles the dataset, one after the other and without Temporal. */
export async function prepareHere(deps: PrepareDeps, context: RunContext): Promise<PreparedDataset> {
  const planned = await createPlanPreparation(deps)({ context });
  if (planned.done !== null) return planned.done;
  const { work, shards } = planned;
  for (const { shard } of shards) await createPrepareShard(deps)({ context, work, shard });
  return createAssembleDataset(deps)({ context, work });
}
