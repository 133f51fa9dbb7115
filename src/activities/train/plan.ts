import { BudgetConfig, CheckpointConfig, describeProblems } from '../../domain/config/run-config.ts';
import { PipelineError } from '../../domain/errors.ts';
import type { CommitSha, Sha256 } from '../../domain/refs.ts';
import type { TrainRequest } from '../../domain/run/activities.ts';
import type { TrainerTraining } from '../../domain/trainer-protocol.ts';
import type { GpuCheck } from '../../domain/training/gpu-check.ts';
import { type BranchResult, ledgerTotals, type TrainingLedger } from '../../domain/training/ledger.ts';
import { trainerTraining, trainingFacts } from '../../domain/training/trainer-training.ts';
import type { Training } from '../../domain/training/training.ts';
import { sha256Of } from '../../hub/hashing.ts';
import type { Hub } from '../../hub/hub.ts';
import type { Trainer } from '../../trainer/trainer.ts';
import type { ActivityContext } from '../support/activity-context.ts';
import type { BranchState, TrainingBranch } from './branch.ts';

/** What training needs besides its request. */
export interface TrainDeps {
  hub: Hub;
  trainer: Trainer;
  /** Folder that may be filled, kept or lost. */
  workDir: string;
  /** The activity that runs now: `() => Context.current()`. */
  activity: () => ActivityContext;
  /** Name of this worker, for the record of its attempts; default: none. */
  machine?: string;
  /** What `plein-air gpu-check` measured on this machine; default: nothing. */
  measured?: GpuCheck | null;
  /** Sentences for the worker's log. */
  log?: (line: string) => void;
}

/** A request with everything that follows from it alone. */
export interface TrainPlan {
  request: TrainRequest;
  branch: TrainingBranch;
  training: TrainerTraining;
  /** Both with their defaults: a run that an older worker opened has not all of their fields. */
  checkpoints: CheckpointConfig;
  budget: BudgetConfig;
  /** Step at which the branch is done. */
  lastStep: number;
  /** Hash of everything that decides the result. */
  key: Sha256;
}

/** Maps a request to what the trainer takes; parameters that do not fit are `InvalidInput`. */
export function planTraining(hub: Hub, request: TrainRequest): TrainPlan {
  const { config, repos, base } = request.context;
  const training = trainerTraining(config, request.parameters);
  if (!training.ok) throw new PipelineError('InvalidInput', describeProblems(training.problems));
  const lastStep = Math.min(request.stopAtStep ?? training.value.steps, training.value.steps);
  const key = sha256Of(
    trainingFacts({
      base: `${base.repo}@${base.commit}`,
      dataset: `${request.dataset.repo}@${request.dataset.commit}`,
      training: training.value,
      lastStep,
    }),
  );
  const branch: TrainingBranch = {
    hub,
    repo: { type: 'model', repo: repos.checkpoints },
    name: request.branch,
  };
  const checkpoints = CheckpointConfig.parse(config.checkpoints);
  const budget = BudgetConfig.parse(config.budget);
  return { request, branch, checkpoints, budget, training: training.value, lastStep, key };
}

/** The result that a branch holds for exactly this plan, its checkpoint listed; null: there is work to do. */
export function knownResult(plan: TrainPlan, { head, ledger, checkpoints }: BranchState): Training | null {
  const { result } = ledger;
  if (result === null || result.key !== plan.key) return null;
  if (!checkpoints.some(({ folder }) => folder === result.path)) return null;
  return describeTraining(plan, ledger, result, head);
}

/** Names the commit of a branch's result for good: no squash that comes later takes it from those who refer to it. */
export async function tagResult({ branch }: TrainPlan, commit: CommitSha): Promise<void> {
  await branch.hub.createTag(branch.repo, `result-${branch.name}-${commit.slice(0, 12)}`, commit);
}

/** What the activity returns: a pure function of the branch's ledger at a commit. */
export function describeTraining(
  plan: TrainPlan,
  ledger: TrainingLedger,
  result: BranchResult,
  commit: CommitSha,
): Training {
  return {
    outcome: 'done',
    step: result.step,
    steps: result.steps,
    checkpoint: { ...plan.branch.repo, commit },
    path: result.path,
    adapterSha256: result.adapterSha256,
    heldOutLoss: result.heldOutLoss,
    trainLoss: result.trainLoss,
    ...ledgerTotals(ledger),
  };
}
