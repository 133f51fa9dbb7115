import type { Trial } from '../domain/search-space.ts';
import type { AttemptRecord } from '../domain/training-ledger.ts';
import type { Block, Rich, Section, Tone } from './blocks.ts';
import { duration, figure } from './markdown.ts';
import { svgToPng, trainingCurves } from './plots.ts';
import type { ReportBuild } from './run-report.ts';

const END: Record<AttemptRecord['ended'], Tone> = {
  running: 'quiet',
  done: 'good',
  stopped: 'quiet',
  failed: 'bad',
  preempted: 'unsure',
};

/** Sections about the search for hyperparameters and the training itself. */
export async function trainingSections(build: ReportBuild): Promise<Section[]> {
  return [...study(build), ...(await training(build))];
}

function study({ records }: ReportBuild): Section[] {
  const { study: found } = records.summary;
  if (found === null) return [];
  const names = [...new Set(found.trials.flatMap((t) => Object.keys(t.parameters)))];
  const best = Math.min(...found.trials.flatMap((t) => (t.value === null ? [] : [t.value])));
  const row = (t: Trial): Rich[] => [
    t.number === found.chosen ? { strong: `${t.number} (chosen)` } : String(t.number),
    ...names.map((name) => value(t.parameters[name as keyof typeof t.parameters])),
    t.value === null
      ? { mark: t.state, tone: 'quiet' }
      : t.value === best
        ? { strong: figure(t.value) }
        : figure(t.value),
  ];
  return [
    {
      id: 'study',
      title: 'Trials',
      source: [{ link: 'records/summary.json', href: '../records/summary.json' }],
      blocks: [
        {
          kind: 'paragraph',
          text: `${found.trials.length} short trainings of ${records.summary.context.config.tuning.steps} steps, suggested by ${found.strategy}; trial 0 is the known-good default. Lower held-out loss is better.`,
        },
        {
          kind: 'table',
          head: ['trial', ...names, 'held-out loss'],
          right: [...names.map((_, i) => i + 1), names.length + 1],
          rows: found.trials.map(row),
        },
      ],
    },
  ];
}

function value(v: string | number | boolean | undefined): string {
  return typeof v === 'number' ? figure(v) : String(v ?? '');
}

async function training(build: ReportBuild): Promise<Section[]> {
  const { records } = build;
  const { training: made } = records.summary;
  if (made === null) return [];
  const { curves, preemptionSteps, attempts } = records;
  const blocks: Block[] = [];
  if (curves.loss.length + curves.heldOut.length > 0) {
    const svg = await trainingCurves({ ...curves, preemptions: preemptionSteps });
    build.files.push({ path: 'plots/training.svg', content: Buffer.from(svg) });
    build.files.push({ path: 'plots/training.png', content: await svgToPng(svg) });
    const marks =
      preemptionSteps.length === 0
        ? 'No attempt died on the way.'
        : `Dashed: an attempt died after step ${preemptionSteps.join(', ')}, and another went on from the last checkpoint on the Hub.`;
    blocks.push({
      kind: 'plot',
      svg,
      alt: `Training loss and held-out loss over ${made.step} steps, with the learning rate below`,
      caption: `Loss by step. ${marks}`,
      file: 'plots/training.png',
    });
  }
  blocks.push({
    kind: 'facts',
    items: [
      ['Final training loss', figure(made.trainLoss)],
      ['Final held-out loss', figure(made.heldOutLoss)],
      ['Steps done twice', String(made.repeatedSteps)],
      ['Interruptions', String(made.preemptions)],
    ],
  });
  if (attempts.length > 0)
    blocks.push({
      kind: 'table',
      caption: 'Attempts, as the ledger of the checkpoint repository tells them.',
      head: ['attempt', 'from step', 'to step', 'checkpoints', 'GPU time', 'end'],
      right: [0, 1, 2, 3, 4],
      rows: attempts.map((a): Rich[] => [
        String(a.token),
        String(a.resumedFrom),
        String(a.reached),
        String(a.checkpoints),
        duration(a.gpuSeconds),
        [
          { mark: a.ended === 'preempted' ? 'interrupted' : a.ended, tone: END[a.ended] },
          ...(a.failure === null ? [] : [`: ${a.failure}`]),
          ...(a.damaged.length === 0 ? [] : [`; passed over: ${a.damaged.join(', ')}`]),
          ...(a.accepted.length === 0 ? [] : [`; differences accepted: ${a.accepted.join(', ')}`]),
        ],
      ]),
    });
  return [
    {
      id: 'training',
      title: 'Training',
      source: [{ code: 'metrics.jsonl' }, ' in ', ...build.commit(made.checkpoint)],
      blocks,
    },
  ];
}
