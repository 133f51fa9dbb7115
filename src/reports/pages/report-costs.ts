import type { PhaseRecord } from '../../domain/run/phases.ts';
import type { RunSummary } from '../../domain/run/summary.ts';
import type { RunRecords } from '../records/run-records.ts';
import type { Block, Rich, Section } from '../render/blocks.ts';
import { duration } from '../render/markdown.ts';
import { sessionBlocks } from './report-sessions.ts';

/** GPU time of one part of a run, as its records meter it. */
interface Cost {
  part: string;
  seconds: number;
  from: Rich;
}

function costsOf({ study, training }: RunSummary): Cost[] {
  const costs: Cost[] = [];
  if (study !== null)
    costs.push({
      part: 'search',
      seconds: study.trials.reduce((sum, trial) => sum + trial.gpuSeconds, 0),
      from: `${study.trials.length} trials`,
    });
  if (training !== null)
    costs.push({ part: 'training', seconds: training.gpuSeconds, from: 'all attempts, lost ones included' });
  return costs;
}

/** Seconds in GPU hours, and in money where the configuration gives a price. */
export function priceOf(seconds: number, { context }: RunSummary): string | null {
  const { gpuHourPrice, currency } = context.config.budget;
  return gpuHourPrice === null ? null : `${((seconds / 3600) * gpuHourPrice).toFixed(2)} ${currency}`;
}

/** GPU seconds that a run's records meter. */
export function meteredSeconds(summary: RunSummary): number {
  return costsOf(summary).reduce((sum, cost) => sum + cost.seconds, 0);
}

/** What a run cost: GPU time by part, money where an hour has a price, and what is not metered. */
export function costSection(records: RunRecords): Section[] {
  const { summary } = records;
  const costs = costsOf(summary);
  const { gpuHourPrice, currency, gpuHours } = summary.context.config.budget;
  const seconds = meteredSeconds(summary);
  const notes = unmetered(summary);
  const sessions = sessionBlocks(records);
  if (costs.length === 0 && notes.length === 0 && sessions.length === 0) return [];
  const cells = (spent: number): Rich[] => [
    duration(spent),
    (spent / 3600).toFixed(3),
    ...(gpuHourPrice === null ? [] : [priceOf(spent, summary) ?? '']),
  ];
  const blocks: Block[] = [];
  if (costs.length > 0)
    blocks.push({
      kind: 'table',
      head: ['part', 'GPU time', 'GPU hours', ...(gpuHourPrice === null ? [] : ['money']), 'over'],
      right: gpuHourPrice === null ? [1, 2] : [1, 2, 3],
      rows: [
        ...costs.map((cost): Rich[] => [cost.part, ...cells(cost.seconds), cost.from]),
        [{ strong: 'in all' }, ...cells(seconds), `of ${gpuHours} h (budget.gpuHours)`],
      ],
    });
  const price =
    gpuHourPrice === null
      ? 'The configuration gives no price of a GPU hour (budget.gpuHourPrice), so that costs are told in hours.'
      : `Money is GPU hours at ${gpuHourPrice} ${currency} (budget.gpuHourPrice); idle machines and storage are not in it.`;
  blocks.push({ kind: 'list', items: [price, ...notes] }, ...sessions);
  return [
    {
      id: 'costs',
      title: 'What it cost',
      source: [{ link: 'records/summary.json', href: '../records/summary.json' }],
      blocks,
    },
  ];
}

/** What a phase does on a GPU that no record meters. */
const UNMETERED: Partial<Record<PhaseRecord['name'], string>> = {
  evaluate: 'Painting and measuring the samples',
  deploy: 'Trying the candidate',
};

/** GPU work that no record meters: said with the time of its phase, which is the most that it can have been. */
function unmetered(summary: RunSummary): string[] {
  const { phases, training, context } = summary;
  const notes = phases.flatMap(({ name, startedAt, endedAt, status }) => {
    const what = UNMETERED[name];
    if (what === undefined || startedAt === null || endedAt === null || status === 'skipped') return [];
    const seconds = (endedAt - startedAt) / 1000;
    const price = priceOf(seconds, summary);
    const most = price === null ? '' : `, at most ${price}`;
    return [`${what} is not metered: its phase took ${duration(seconds)} in all, waiting included${most}.`];
  });
  const began = phases.some(({ name, startedAt }) => name === 'train' && startedAt !== null);
  if (training === null && began)
    notes.push(
      `Training did not come to its end: what its attempts used is in ledger.json of ${context.repos.checkpoints}.`,
    );
  return notes;
}
