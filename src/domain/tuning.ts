import type { TuningConfig } from './run-config.ts';
import type { Trial, TrialParameters } from './search-space.ts';

/** A trial that finished, with its objective. */
export type CompleteTrial = Trial & { state: 'complete'; value: number };

/** What a finished training says about its trial: the held-out loss (lower is better), or infeasible without one. */
export function settleTrial(
  trial: Pick<Trial, 'number' | 'parameters'>,
  outcome: { heldOutLoss: number | null },
): Trial {
  const { number, parameters } = trial;
  const { heldOutLoss } = outcome;
  return heldOutLoss !== null && Number.isFinite(heldOutLoss)
    ? { number, parameters, state: 'complete', value: heldOutLoss }
    : { number, parameters, state: 'infeasible', value: null };
}

/** The trial with the lowest held-out loss; on a tie the earlier; null when none finished. */
export function chooseTrial(trials: readonly Trial[]): CompleteTrial | null {
  let best: CompleteTrial | null = null;
  for (const trial of trials) {
    if (!isComplete(trial)) continue;
    const better =
      best === null || trial.value < best.value || (trial.value === best.value && trial.number < best.number);
    if (better) best = trial;
  }
  return best;
}

/** Whether a study asks for another trial, and the reason where it does not. */
export type StudyStep = { next: 'ask' } | { next: 'stop'; reason: string };

/**
 * Decides whether a study goes on: until `tuning.trials` are settled (`fixed`: one), the GPU budget would not cover
 * another trial as dear as the dearest so far, or `MAX_INFEASIBLE_IN_A_ROW` trials in a row were infeasible.
 */
export function nextStudyStep(p: {
  tuning: Pick<TuningConfig, 'strategy' | 'trials'>;
  trials: readonly Trial[];
  /** GPU seconds each settled trial took, in order. */
  gpuSeconds: readonly number[];
  /** GPU seconds that the study may use; null: no limit of its own. */
  budgetSeconds: number | null;
}): StudyStep {
  const wanted = p.tuning.strategy === 'fixed' ? 1 : p.tuning.trials;
  const settled = p.trials.filter((trial) => trial.state !== 'running');
  if (settled.length >= wanted) return { next: 'stop', reason: `all ${wanted} trials are done` };
  const inARow = settled.length - 1 - settled.findLastIndex((trial) => trial.state === 'complete');
  if (inARow >= MAX_INFEASIBLE_IN_A_ROW)
    return { next: 'stop', reason: `${inARow} trials in a row diverged or ran out of memory` };
  if (p.budgetSeconds !== null && p.gpuSeconds.length > 0) {
    const spent = p.gpuSeconds.reduce((sum, seconds) => sum + seconds, 0);
    const dearest = Math.max(...p.gpuSeconds);
    if (spent + dearest > p.budgetSeconds)
      return {
        next: 'stop',
        reason: `${Math.round(spent)} of ${Math.round(p.budgetSeconds)} GPU seconds are spent, and a trial takes up to ${Math.round(dearest)}`,
      };
  }
  return { next: 'ask' };
}

/** Infeasible trials in a row after which a study gives up: its space holds nothing that trains. */
export const MAX_INFEASIBLE_IN_A_ROW = 5;

/** The configuration's own values of the fields that a study searches: trial 0. */
export function defaultParameters(
  space: Readonly<Record<string, unknown>>,
  training: Readonly<Record<string, unknown>>,
): TrialParameters {
  return Object.fromEntries(Object.keys(space).map((field) => [field, training[field]])) as TrialParameters;
}

function isComplete(trial: Trial): trial is CompleteTrial {
  return trial.state === 'complete' && trial.value !== null && Number.isFinite(trial.value);
}
