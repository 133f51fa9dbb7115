import type { StudyStatus } from '../domain/run/run-result.ts';
import type { Trial } from '../domain/tuning/search-space.ts';
import type { StudyResult } from '../domain/tuning/study-result.ts';
import { violation } from '../domain/tuning/tuning.ts';
import pc from './colors.ts';
import { duration, table } from './output.ts';

/** A study as a terminal shows it: where it stands, the trials, and what is under way. */
export function studyLines(study: StudyStatus): string[] {
  const settled = study.trials.filter(({ state }) => state !== 'running').length;
  const pruner = study.pruner === 'none' ? '' : ` with ${study.pruner}`;
  const lines = [
    `study by ${study.strategy}${pruner}: ${settled} of ${study.wanted} trials of up to ${study.steps} steps, ${study.parallel} at a time, ${duration(study.spentGpuSeconds)} of GPU time`,
    trialTable(study.trials, study.chosen),
    ...study.running.map(({ number, toStep, seed }) =>
      pc.dim(`  under way: trial ${number} to step ${toStep}${seed === null ? '' : ` with seed ${seed}`}`),
    ),
  ];
  if (study.paused)
    lines.push(pc.yellow('  paused: trainings stop at their next checkpoint until it is resumed'));
  if (study.confirmations.length > 0)
    lines.push(
      ...study.confirmations.map((c) =>
        pc.dim(`  again: trial ${c.trial} with seed ${c.seed}: ${c.value?.toFixed(4) ?? 'infeasible'}`),
      ),
    );
  if (study.stopped !== null) lines.push(pc.dim(`  no further trial: ${study.stopped}`));
  if (study.sure !== null) lines.push(study.sure);
  return lines;
}

/** A finished study. */
export function studyResultLines(result: StudyResult): string[] {
  return [trialTable(result.trials, result.chosen), result.sure];
}

function trialTable(trials: readonly Trial[], best: number | null): string {
  const fields = [...new Set(trials.flatMap(({ parameters }) => Object.keys(parameters)))];
  const cell = (value: unknown) =>
    typeof value === 'number' ? String(Number(value.toPrecision(3))) : String(value ?? '');
  return table(
    ['trial', ...fields, 'steps', 'state', 'value'],
    trials.map((trial) => [
      trial.number === best ? pc.bold(`${trial.number} *`) : String(trial.number),
      ...fields.map((field) => cell(trial.parameters[field as keyof typeof trial.parameters])),
      String(trial.reports.at(-1)?.step ?? 0),
      violation(trial) > 0 ? 'limit broken' : trial.state,
      trial.value?.toFixed(4) ?? '',
    ]),
  );
}
