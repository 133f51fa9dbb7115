import type { GpuActivities } from '../../domain/run/activities.ts';
import { TrainingAttempt } from './attempt.ts';
import { readBranch } from './branch.ts';
import { takeFence } from './fence.ts';
import { knownResult, planTraining, type TrainDeps, tagResult } from './plan.ts';

export type { TrainDeps };

/** Makes the `train` activity: takes the branch's fence, goes on from its newest whole checkpoint, publishes as it trains. */
export function createTrain(deps: TrainDeps): GpuActivities['train'] {
  return async (request) => {
    const plan = planTraining(deps.hub, request);
    const activity = deps.activity();
    const state = await readBranch(plan.branch);
    const known = knownResult(plan, state);
    if (known !== null) {
      await tagResult(plan, state.head);
      return known;
    }
    const taken = await takeFence({ plan, activity, machine: deps.machine });
    if ('result' in taken) return taken.result;
    return new TrainingAttempt({ deps, plan, activity, taken }).run();
  };
}
