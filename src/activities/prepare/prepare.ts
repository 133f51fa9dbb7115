import type { PipelineActivities } from '../../domain/run/activities.ts';
import type { Hub } from '../../hub/hub.ts';
import { createPlanPreparation } from './plan.ts';
import { createAssembleDataset } from './publish.ts';
import { createPrepareShard } from './shard.ts';

/** What preparation says while it works; `done` of `total` pictures, row groups, files or bytes. */
export interface PrepareProgress {
  stage: string;
  done: number;
  total: number;
}

export interface PrepareDeps {
  hub: Hub;
  /** Folder for work in progress; results in it survive a retry on the same machine. */
  workDir: string;
  heartbeat(progress: PrepareProgress): void;
  /** Asked for at the start of each call. */
  signal?: () => AbortSignal | undefined;
}

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
