import type { TuningConfig } from '../config/tuning-config.ts';
import type { Trial, TrialParameters, TrialReport } from './search-space.ts';
import { isActive, type SearchSpace } from './search-space.ts';

/** A trial that finished, with its objective. */
export type CompleteTrial = Trial & { state: 'complete'; value: number };

/** What came of training a trial to a rung; without a report it diverged or ran out of memory. */
export interface RungOutcome {
  report: TrialReport | null;
  /** Seconds on a GPU over all rungs of the trial. */
  gpuSeconds: number;
}

/** The trial after a rung: complete at the study's last step, paused before it, infeasible without finite figures. */
export function settleRung(trial: Trial, outcome: RungOutcome, lastStep: number): Trial {
  const { report } = outcome;
  const gpuSeconds = Math.max(trial.gpuSeconds, outcome.gpuSeconds);
  const finite = report !== null && [...report.values, ...report.violations].every(Number.isFinite);
  if (!finite) return { ...trial, state: 'infeasible', value: null, gpuSeconds };
  return {
    ...trial,
    state: report.step >= lastStep ? 'complete' : 'paused',
    value: report.values[0] ?? null,
    reports: [...trial.reports.filter(({ step }) => step < report.step), report],
    gpuSeconds,
  };
}

/** How far a trial breaks the study's limits at its highest rung; 0: it keeps to all of them. */
export function violation({ reports }: Trial): number {
  const broken = (reports.at(-1)?.violations ?? []).filter((by) => by > 0);
  return broken.reduce((sum, by) => sum + by, 0);
}

/**
 * Finished trials from best to worst: those within the limits first, then by value, with two goals by distance to the
 * best of each on its own; the earlier one on a tie.
 */
export function ranked(trials: readonly Trial[]): CompleteTrial[] {
  const complete = trials.filter(isComplete);
  const score = scores(complete);
  return [...complete].sort(
    (a, b) =>
      violation(a) - violation(b) ||
      (score.get(a.number) ?? 0) - (score.get(b.number) ?? 0) ||
      a.number - b.number,
  );
}

/** The best finished trial; null when none finished. */
export function chooseTrial(trials: readonly Trial[]): CompleteTrial | null {
  return ranked(trials)[0] ?? null;
}

/** Finished trials within the limits that no other one is as good as in every goal and better in one. */
export function paretoFront(trials: readonly Trial[]): CompleteTrial[] {
  const fit = trials.filter(isComplete).filter((trial) => violation(trial) === 0);
  const dominates = (a: number[], b: number[]) =>
    a.every((value, i) => value <= (b[i] ?? value)) && a.some((value, i) => value < (b[i] ?? value));
  return fit.filter((trial) => !fit.some((other) => dominates(valuesOf(other), valuesOf(trial))));
}

function valuesOf(trial: CompleteTrial): number[] {
  return trial.reports.at(-1)?.values ?? [trial.value];
}

/** One figure a trial: its value, or with two goals the distance of the front's members to the ideal point. */
function scores(trials: readonly CompleteTrial[]): Map<number, number> {
  const goals = Math.max(1, ...trials.map((trial) => valuesOf(trial).length));
  if (goals === 1) return new Map(trials.map((trial) => [trial.number, trial.value]));
  const front = paretoFront(trials);
  const inFront = new Set(front.map(({ number }) => number));
  const scale = Array.from({ length: goals }, (_, goal) => {
    const values = (front.length > 0 ? front : trials).map((trial) => valuesOf(trial)[goal] ?? 0);
    return { low: Math.min(...values), span: Math.max(...values) - Math.min(...values) || 1 };
  });
  const distance = (trial: CompleteTrial) =>
    Math.hypot(...scale.map(({ low, span }, goal) => ((valuesOf(trial)[goal] ?? 0) - low) / span));
  return new Map(trials.map((t) => [t.number, distance(t) + (inFront.has(t.number) ? 0 : goals)]));
}

/** Whether a study goes on: with new trials, with promotions alone, or not at all. */
export type StudyStep = { next: 'ask'; mayStart: boolean; reason: string } | { next: 'stop'; reason: string };

/**
 * Decides whether a study goes on. New trials end with `tuning.trials` (`fixed`: one), after `MAX_INFEASIBLE_IN_A_ROW`
 * that were infeasible, or when none is likely to pay; with a pruner, trials that wait at a rung may still go on. A GPU
 * budget that would not cover another stretch as dear as the dearest so far ends both.
 */
export function nextStudyStep(p: {
  tuning: Pick<TuningConfig, 'strategy' | 'trials' | 'pruner' | 'patience' | 'worthwhileGain'>;
  trials: readonly Trial[];
  /** GPU seconds of all stretches so far, and of the dearest one. */
  spentSeconds: number;
  dearestSeconds: number;
  /** GPU seconds that the study may use; null: no limit of its own. */
  budgetSeconds: number | null;
}): StudyStep {
  const { tuning, trials } = p;
  if (p.budgetSeconds !== null && p.dearestSeconds > 0 && p.spentSeconds + p.dearestSeconds > p.budgetSeconds)
    return {
      next: 'stop',
      reason: `${Math.round(p.spentSeconds)} of ${Math.round(p.budgetSeconds)} GPU seconds are spent, and another stretch takes up to ${Math.round(p.dearestSeconds)}`,
    };
  const why = noNewTrial(tuning, trials);
  if (why === null) return { next: 'ask', mayStart: true, reason: '' };
  if (tuning.strategy === 'fixed' || tuning.pruner === 'none') return { next: 'stop', reason: why };
  return { next: 'ask', mayStart: false, reason: why };
}

/** Infeasible trials in a row after which a study gives up: its space holds nothing that trains. */
export const MAX_INFEASIBLE_IN_A_ROW = 5;

function noNewTrial(
  tuning: Pick<TuningConfig, 'strategy' | 'trials' | 'patience' | 'worthwhileGain'>,
  trials: readonly Trial[],
): string | null {
  const wanted = tuning.strategy === 'fixed' ? 1 : tuning.trials;
  if (trials.length >= wanted) return `all ${wanted} trials were tried`;
  const settled = trials.filter((trial) => trial.state !== 'running');
  const inARow = settled.length - 1 - settled.findLastIndex((trial) => trial.state !== 'infeasible');
  if (inARow >= MAX_INFEASIBLE_IN_A_ROW) return `${inARow} trials in a row diverged or ran out of memory`;
  const idle = trialsWithoutGain(settled, tuning.worthwhileGain);
  if (tuning.patience !== null && idle >= tuning.patience)
    return `${idle} trials in a row gained less than ${tuning.worthwhileGain * 100} % on the best: no further one is likely to pay`;
  return null;
}

/** Settled trials, by number, since the last that improved the first goal at the lowest rung by the wanted part. */
export function trialsWithoutGain(settled: readonly Trial[], worthwhile: number): number {
  let best = Number.POSITIVE_INFINITY;
  let since = 0;
  for (const trial of settled) {
    const value = trial.reports[0]?.values[0] ?? trial.value ?? Number.POSITIVE_INFINITY;
    const fit = violation(trial) === 0;
    since += 1;
    if (fit && value < best - worthwhile * Math.abs(best === Number.POSITIVE_INFINITY ? 0 : best)) since = 0;
    if (fit && value < best) best = value;
  }
  return since;
}

/** The configuration's own values of the fields that a study searches, where their conditions hold: trial 0. */
export function defaultParameters(
  space: SearchSpace,
  training: Readonly<Record<string, unknown>>,
): TrialParameters {
  const active = Object.keys(space).filter((field) => isActive(space, field, training));
  return Object.fromEntries(active.map((field) => [field, training[field]])) as TrialParameters;
}

function isComplete(trial: Trial): trial is CompleteTrial {
  return trial.state === 'complete' && trial.value !== null && Number.isFinite(trial.value);
}
