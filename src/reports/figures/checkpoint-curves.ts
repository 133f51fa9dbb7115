import type { CheckpointChoice, SampledCheckpoint } from '../../domain/evaluation/checkpoint-ranking.ts';
import { scoreOf } from '../../domain/evaluation/checkpoint-ranking.ts';
import type { Metric } from '../../domain/evaluation/report.ts';
import type { ReportFile } from '../pages/report-build.ts';
import type { Block, Rich, Section } from '../render/blocks.ts';
import { figure } from '../render/markdown.ts';
import { PIGMENTS } from '../render/palette.ts';
import { renderSvg, svgToPng } from './plots.ts';

/** A figure at a training step with its interval; a bound may be missing. */
interface StepRow {
  step: number;
  value: number;
  low: number | null;
  high: number | null;
  chosen: boolean;
}

/** What the choice of a checkpoint saw: held-out loss and pictures by training step, each with its interval. */
export async function checkpointSection(
  choice: CheckpointChoice | null,
  p: { files: ReportFile[]; source: Rich },
): Promise<Section[]> {
  if (choice === null) return [];
  const svg = await checkpointCurves(choice);
  p.files.push({ path: 'plots/checkpoints.svg', content: Buffer.from(svg) });
  p.files.push({ path: 'plots/checkpoints.png', content: await svgToPng(svg) });
  const steps = choice.sampled.map(({ step }) => step).join(', ');
  const plot: Block = {
    kind: 'plot',
    svg,
    alt: `Held-out loss by training step with its standard error; style gained, diversity and close pictures of steps ${steps} with their intervals`,
    caption:
      'By training step. Held-out loss with one standard error; of the checkpoints near its least, what their prompts came out like, with intervals. The blue one went to the gate.',
    file: 'plots/checkpoints.png',
  };
  return [
    {
      id: 'depth',
      title: 'How deep to train',
      source: p.source,
      blocks: [{ kind: 'paragraph', text: choice.reason }, plot, table(choice)],
    },
  ];
}

function table({ sampled, chosen }: CheckpointChoice): Block {
  return {
    kind: 'table',
    head: ['step', 'held-out loss', 'style gained', 'diversity', 'close pictures', 'score', 'taken'],
    right: [0, 1, 2, 3, 4, 5],
    rows: sampled.map((one): Rich[] => [
      String(one.step),
      figure(one.heldOutLoss),
      figure(one.style.estimate),
      figure(one.diversity.estimate),
      figure(one.copying.estimate),
      figure(scoreOf(one).score),
      one.step === chosen ? { mark: 'yes', tone: 'good' } : '',
    ]),
  };
}

/** One small plot a figure, all over the same steps. */
export async function checkpointCurves(choice: CheckpointChoice, width = 520): Promise<string> {
  const { chosen, sampled } = choice;
  const of = (name: 'style' | 'diversity' | 'copying') =>
    sampled.flatMap((one) => rowOf(one, one[name], chosen));
  const loss = choice.curve.map(
    ({ step, loss: value, error }): StepRow => ({
      ...{ step, value, chosen: step === chosen },
      ...{ low: error === null ? null : value - error, high: error === null ? null : value + error },
    }),
  );
  const last = Math.max(1, ...loss.map(({ step }) => step), ...sampled.map(({ step }) => step));
  const panels = [
    { title: 'held-out loss', rows: loss },
    { title: 'style gained', rows: of('style') },
    { title: 'diversity', rows: of('diversity') },
    { title: 'close pictures', rows: of('copying') },
  ].filter(({ rows }) => rows.length > 0);
  return renderSvg({
    spacing: 14,
    vconcat: panels.map(({ title, rows }, at) =>
      panel({ title, rows, width, last, foot: at === panels.length - 1 }),
    ),
  });
}

function rowOf(one: SampledCheckpoint, { estimate, low, high }: Metric, chosen: number): StepRow[] {
  if (estimate === null) return [];
  return [{ step: one.step, value: estimate, low, high, chosen: one.step === chosen }];
}

function panel(p: { title: string; rows: StepRow[]; width: number; last: number; foot: boolean }): object {
  const bounded = p.rows.filter(({ low, high }) => low !== null && high !== null);
  return {
    width: p.width,
    height: 84,
    data: { values: p.rows },
    encoding: {
      x: {
        field: 'step',
        type: 'quantitative',
        title: p.foot ? 'training step' : null,
        scale: { domain: [0, p.last * 1.03], nice: false },
        axis: { labels: p.foot },
      },
    },
    layer: [
      {
        mark: { type: 'line', color: PIGMENTS.stone, strokeWidth: 1 },
        encoding: { y: axis('value', p.title) },
      },
      {
        data: { values: bounded },
        mark: { type: 'rule', strokeWidth: 3, opacity: 0.45, color: PIGMENTS.stone },
        encoding: { y: axis('low', p.title), y2: { field: 'high' } },
      },
      {
        mark: { type: 'point', filled: true, size: 55, opacity: 1 },
        encoding: {
          y: axis('value', p.title),
          color: {
            condition: { test: 'datum.chosen', value: PIGMENTS.ultramarine },
            value: PIGMENTS.stone,
          },
        },
      },
    ],
  };
}

function axis(field: string, title: string): object {
  return { field, type: 'quantitative', title, scale: { zero: false }, axis: { tickCount: 3 } };
}
