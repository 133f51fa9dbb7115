import type { Dimension, Trial } from '../../domain/tuning/search-space.ts';
import type { StudyInsight } from '../../domain/tuning/study.ts';
import type { Confirmation } from '../../domain/tuning/top-k.ts';
import { paretoFront, violation } from '../../domain/tuning/tuning.ts';
import { svgToPng } from '../figures/plots.ts';
import { importanceBars, parallelCoordinates, rungSurvival, studyHistory } from '../figures/study-plots.ts';
import type { Block, Rich, Section } from '../render/blocks.ts';
import { duration, figure } from '../render/markdown.ts';
import type { ReportFile } from './report-build.ts';

/** What a study's section is drawn from; the same for a run's report and for a study's own. */
export interface StudyFigures {
  strategy: string;
  pruner: string;
  steps: number;
  space: Partial<Record<string, Dimension>>;
  goals: readonly string[];
  trials: readonly Trial[];
  chosen: number;
  confirmations: readonly Confirmation[];
  stopped: string;
  sure: string;
  insight: StudyInsight | null;
}

const GOAL_WORDS: Record<string, string> = { heldOutLoss: 'held-out loss', style: 'style margin, negative' };

/** The section about a study: its trials as a table and as plots, and how sure the choice is. */
export async function studySection(p: {
  study: StudyFigures;
  files: ReportFile[];
  source: Rich | null;
}): Promise<Section> {
  const { study, files } = p;
  const goal = GOAL_WORDS[study.goals[0] ?? ''] ?? 'value';
  const blocks: Block[] = [{ kind: 'paragraph', text: introduction(study, goal) }];
  if (study.sure !== '') blocks.push({ kind: 'paragraph', text: study.sure });
  const plot = async (name: string, svg: Promise<string>, alt: string, caption: string) => {
    const drawn = await svg;
    const file = `plots/study-${name}.png`;
    files.push({ path: `plots/study-${name}.svg`, content: Buffer.from(drawn) });
    files.push({ path: file, content: await svgToPng(drawn) });
    blocks.push({ kind: 'plot', svg: drawn, alt, caption, file });
  };
  const { trials, insight } = study;
  if (trials.some((t) => t.value !== null)) {
    await plot(
      'history',
      studyHistory(trials, goal),
      `The ${goal} of ${trials.length} trials in order`,
      'Every trial in order; the line is the best whole trial so far, a cross one that could not be trained.',
    );
    await plot(
      'parallel',
      parallelCoordinates(trials, study.space, goal),
      'Each trial as a line across its hyperparameters',
      'Each trial as a line across its hyperparameters; blue is good.',
    );
  }
  if (insight !== null && insight.importances.length > 0)
    await plot(
      'importances',
      importanceBars(insight),
      `Importance of each field: ${insight.importances.map((i) => `${i.field} ${Math.round(i.importance * 100)} %`).join(', ')}`,
      'What made a trial one of the best quarter (PED-ANOVA); with few trials a hint, not a finding.',
    );
  if (trials.some((t) => t.reports.length > 1))
    await plot(
      'rungs',
      rungSurvival(trials, goal),
      'The trials that reached each rung, and their values there',
      'Values over the rungs: a line ends where its trial was stopped.',
    );
  const agreement = agreementTable(insight);
  if (agreement !== null) blocks.push(agreement);
  blocks.push(trialTable(study, goal), ...confirmationTable(study));
  return { id: 'study', title: 'Trials', source: p.source, blocks };
}

function introduction(study: StudyFigures, goal: string): string {
  const seconds = study.trials.reduce((sum, trial) => sum + trial.gpuSeconds, 0);
  const done = study.trials.reduce((sum, trial) => sum + (trial.reports.at(-1)?.step ?? 0), 0);
  const pruner = study.pruner === 'none' ? '' : `, stopped early by ${study.pruner}`;
  const front =
    study.goals.length > 1
      ? ` Pareto front: ${paretoFront(study.trials)
          .map((t) => t.number)
          .join(', ')}.`
      : '';
  const spent = seconds > 0 ? ` They took ${done} steps and ${duration(seconds)} of GPU time.` : '';
  const stopped = study.stopped === '' ? '' : ` It ended because ${study.stopped}.`;
  return `${study.trials.length} trials of up to ${study.steps} steps, suggested by ${study.strategy}${pruner}; trial 0 is the known-good default. Lower ${goal} is better.${spent}${stopped}${front}`;
}

function agreementTable(insight: StudyInsight | null): Block | null {
  if (insight === null || insight.rankAgreement.length === 0) return null;
  return {
    kind: 'table',
    head: ['rung', 'trials that reached the last one too', 'agreement of the order (Kendall’s tau)'],
    right: [0, 1, 2],
    rows: insight.rankAgreement.map((row) => [
      `${row.step} steps`,
      String(row.trials),
      row.tau === null ? 'too few to say' : row.tau.toFixed(2),
    ]),
    caption:
      'Whether early figures foretold the late ones: 1 is the same order, 0 none. Only survivors can be compared.',
  };
}

function trialTable(study: StudyFigures, goal: string): Block {
  const names = Object.keys(study.space).filter((name) => study.trials.some((t) => name in t.parameters));
  const row = (t: Trial): Rich[] => [
    t.number === study.chosen ? { strong: `${t.number} (chosen)` } : String(t.number),
    ...names.map((name) => value(t.parameters[name as keyof typeof t.parameters])),
    String(t.reports.at(-1)?.step ?? ''),
    t.value === null
      ? { mark: t.state, tone: 'quiet' }
      : violation(t) > 0
        ? { mark: `${figure(t.value)}, limit broken`, tone: 'bad' }
        : figure(t.value),
  ];
  return {
    kind: 'table',
    head: ['trial', ...names, 'steps', goal],
    right: [...names.map((_, i) => i + 1), names.length + 1, names.length + 2],
    rows: study.trials.map(row),
  };
}

function confirmationTable({ confirmations }: StudyFigures): Block[] {
  if (confirmations.length === 0) return [];
  const seeds = [...new Set(confirmations.map((c) => c.seed))];
  const trials = [...new Set(confirmations.map((c) => c.trial))];
  const cell = (trial: number, seed: number) => {
    const found = confirmations.find((c) => c.trial === trial && c.seed === seed);
    return found === undefined ? '' : found.value === null ? 'infeasible' : figure(found.value);
  };
  return [
    {
      kind: 'table',
      head: ['finalist', ...seeds.map((seed) => `seed ${seed}`)],
      right: seeds.map((_, i) => i + 1),
      rows: trials.map((trial) => [String(trial), ...seeds.map((seed) => cell(trial, seed))]),
      caption: 'The finalists, trained again with new seeds.',
    },
  ];
}

function value(v: string | number | boolean | undefined): string {
  return typeof v === 'number' ? figure(v) : String(v ?? '');
}
