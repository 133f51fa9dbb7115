import { PipelineError } from '../../domain/errors.ts';
import { attemptsWithoutProgress, ledgerTotals, TrainingLedger } from '../../domain/training/ledger.ts';
import { BRANCH_FILES } from './branch.ts';
import type { TrainPlan } from './plan.ts';

/** Refuses an attempt after too many of the same workflow run that ended without a checkpoint; `ledger` includes this one. */
export function refuseHopeless(plan: TrainPlan, ledger: TrainingLedger, workflowRunId: string): void {
  const { run } = plan.request.context;
  const limit = plan.budget.attemptsWithoutProgress;
  const before = { ...ledger, attempts: ledger.attempts.slice(0, -1) };
  const fruitless = attemptsWithoutProgress(before, workflowRunId);
  if (fruitless < limit) return;
  throw new PipelineError(
    'BudgetExhausted',
    `expected a checkpoint within ${limit} attempts (budget.attemptsWithoutProgress), got none in ${fruitless}: lower training.checkpointEvery and checkpoints.maxSeconds, or use machines that live longer, then run "plein-air resume ${run}"`,
  );
}

/** Seconds that the run has spent on accelerators before this attempt: earlier attempts of the branch, and all other branches. */
export async function spentBefore(plan: TrainPlan, ledger: TrainingLedger): Promise<number> {
  const { hub, repo, name: own } = plan.branch;
  const others = (await hub.branches(repo)).filter(({ name }) => name !== own);
  const seconds = await Promise.all(
    others.map(async ({ name, commit }) => {
      // By name where the commit was squashed away in between.
      const bytes = await hub
        .read(repo, commit, BRANCH_FILES.ledger)
        .catch(() => hub.read(repo, name, BRANCH_FILES.ledger));
      const other = bytes === null ? null : parseLedger(bytes);
      return other?.branch === name ? ledgerTotals(other).gpuSeconds : 0;
    }),
  );
  return ledgerTotals(ledger).gpuSeconds + seconds.reduce((sum, spent) => sum + spent, 0);
}

function parseLedger(bytes: Buffer): TrainingLedger | null {
  return TrainingLedger.safeParse(parseAny(bytes)).data ?? null;
}

function parseAny(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch {
    return null;
  }
}

/** Why the run may not go on after so many seconds, on accelerators and by the clock; null: it may. */
export function overBudget(
  plan: TrainPlan,
  spent: { gpuSeconds: number; wallSeconds: number },
  step: number,
): PipelineError | null {
  const { run } = plan.request.context;
  const { gpuHours, wallClockHours } = plan.budget;
  const over = (what: string, field: string, limit: number, hours: number) =>
    new PipelineError(
      'BudgetExhausted',
      `expected ${run} to need at most ${limit} ${what} (${field}), got ${hours.toFixed(2)} at step ${step} of ${plan.lastStep}. What is trained is saved in ${plan.branch.repo.repo}: raise ${field} and run "plein-air resume ${run}"`,
    );
  const gpu = spent.gpuSeconds / 3600;
  const wall = spent.wallSeconds / 3600;
  if (gpu >= gpuHours) return over('GPU hours', 'budget.gpuHours', gpuHours, gpu);
  if (wall >= wallClockHours)
    return over('hours in this phase', 'budget.wallClockHours', wallClockHours, wall);
  return null;
}
