import { PipelineError } from '../domain/errors.ts';
import { attemptsWithoutProgress, ledgerTotals, TrainingLedger } from '../domain/training-ledger.ts';
import { LANE_FILES } from './training-lane.ts';
import type { TrainPlan } from './training-plan.ts';

/** Refuses an attempt after too many of the same workflow run that ended without a checkpoint; `ledger` includes this one. */
export function refuseHopeless(plan: TrainPlan, ledger: TrainingLedger, workflowRunId: string): void {
  const { run, config } = plan.request.context;
  const limit = config.budget.attemptsWithoutProgress;
  const before = { ...ledger, attempts: ledger.attempts.slice(0, -1) };
  const fruitless = attemptsWithoutProgress(before, workflowRunId);
  if (fruitless < limit) return;
  throw new PipelineError(
    'BudgetExhausted',
    `expected a checkpoint within ${limit} attempts (budget.attemptsWithoutProgress), got none in ${fruitless}: lower training.checkpointEvery or use machines that live longer, then run "plein-air resume ${run}"`,
  );
}

/** Seconds that the run has spent on accelerators before this attempt: earlier attempts of the lane, and all other lanes. */
export async function spentBefore(plan: TrainPlan, ledger: TrainingLedger): Promise<number> {
  const { hub, repo, branch } = plan.lane;
  const others = (await hub.branches(repo)).filter(({ name }) => name !== branch);
  const seconds = await Promise.all(
    others.map(async ({ name, commit }) => {
      const bytes = await hub.read(repo, commit, LANE_FILES.ledger);
      const other = bytes === null ? null : parseLedger(bytes);
      return other?.lane === name ? ledgerTotals(other).gpuSeconds : 0;
    }),
  );
  return ledgerTotals(ledger).gpuSeconds + seconds.reduce((sum, spent) => sum + spent, 0);
}

function parseLedger(bytes: Buffer): TrainingLedger | null {
  try {
    return TrainingLedger.safeParse(JSON.parse(bytes.toString('utf8'))).data ?? null;
  } catch {
    return null;
  }
}

/** Why the run may not go on after so many seconds on accelerators; null: it may. */
export function overBudget(plan: TrainPlan, spentSeconds: number, step: number): PipelineError | null {
  const { run, config } = plan.request.context;
  const { gpuHours } = config.budget;
  const spent = spentSeconds / 3600;
  if (spent < gpuHours) return null;
  return new PipelineError(
    'BudgetExhausted',
    `expected ${run} to need at most ${gpuHours} GPU hours (budget.gpuHours), got ${spent.toFixed(2)} at step ${step} of ${plan.lastStep}. What is trained is saved in ${plan.lane.repo.repo}: raise budget.gpuHours and run "plein-air resume ${run}"`,
  );
}
