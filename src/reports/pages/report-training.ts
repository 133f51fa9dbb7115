import type { AttemptRecord } from '../../domain/training/ledger.ts';
import { inlinePicture } from '../figures/grids.ts';
import { svgToPng, trainingCurves } from '../figures/plots.ts';
import type { RunRecords } from '../records/run-records.ts';
import type { Block, Inline, Rich, Section, Tone } from '../render/blocks.ts';
import { duration, figure, moment } from '../render/markdown.ts';
import type { ReportBuild } from './report-build.ts';
import { studySection } from './report-study.ts';

const END: Record<AttemptRecord['ended'], Tone> = {
  running: 'quiet',
  done: 'good',
  stopped: 'quiet',
  failed: 'bad',
  preempted: 'unsure',
};

/** Sections about the search for hyperparameters and the training itself. */
export async function trainingSections(build: ReportBuild): Promise<Section[]> {
  return [...(await study(build)), ...(await training(build))];
}

async function study(build: ReportBuild): Promise<Section[]> {
  const { summary } = build.records;
  const { study: found } = summary;
  if (found === null) return [];
  const { tuning } = summary.context.config;
  return [
    await studySection({
      study: {
        ...found,
        steps: tuning.steps,
        space: tuning.space,
        goals: tuning.objective.goals,
        insight: found.record?.insight ?? null,
      },
      files: build.files,
      source: [{ link: 'records/summary.json', href: '../records/summary.json' }],
    }),
  ];
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
      caption: [
        `Loss by step. ${marks} From `,
        { link: 'metrics.jsonl', href: build.url({ ...made.checkpoint, path: 'metrics.jsonl' }) },
        '.',
      ],
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
  if (attempts.length > 0) blocks.push(attemptTable(attempts));
  return [
    {
      id: 'training',
      title: 'Training',
      source: [
        { link: 'ledger.json', href: build.url({ ...made.checkpoint, path: 'ledger.json' }) },
        ' and ',
        { link: 'metrics.jsonl', href: build.url({ ...made.checkpoint, path: 'metrics.jsonl' }) },
        ' in ',
        ...build.commit(made.checkpoint),
        ...machine(records.fingerprint),
      ],
      blocks,
    },
    ...(await validationImages(build)),
  ];
}

/** Attempts at a training: where, from which step to which, and how each ended. */
export function attemptTable(attempts: readonly AttemptRecord[]): Block {
  return {
    kind: 'table',
    caption: 'Attempts, as the ledger of the checkpoint repository tells them.',
    head: ['attempt', 'machine', 'began (UTC)', 'from step', 'to step', 'checkpoints', 'GPU time', 'end'],
    right: [0, 3, 4, 5, 6],
    rows: attempts.map((a): Rich[] => [
      String(a.token),
      a.machine ?? 'not told',
      moment(a.startedAt),
      String(a.resumedFrom),
      String(a.reached),
      String(a.checkpoints),
      duration(a.gpuSeconds),
      [
        { mark: a.ended === 'preempted' ? 'interrupted' : a.ended, tone: END[a.ended] },
        ...(a.failure === null ? [] : [`: ${a.failure}`]),
        ...(a.damaged.length === 0 ? [] : [`; skipped as corrupt: ${a.damaged.join(', ')}`]),
        ...(a.accepted.length === 0 ? [] : [`; differences accepted: ${a.accepted.join(', ')}`]),
      ],
    ]),
  };
}

/** Device and software of the attempt that wrote the final checkpoint. */
function machine(fingerprint: RunRecords['fingerprint']): Inline[] {
  const device = Object.entries(fingerprint).filter(([name]) => name.startsWith('device.'));
  if (device.length === 0) return [];
  return [`; on ${device.map(([name, v]) => `${name.replace('device.', '')} ${v}`).join(', ')}`];
}

/** The same captions with the same noise as training went on. */
async function validationImages({ records }: ReportBuild): Promise<Section[]> {
  if (records.validationImages.length === 0) return [];
  const pictures = await Promise.all(
    records.validationImages.map(async ({ step, bytes, path, href }) => ({
      caption: `step ${step}`,
      picture: await inlinePicture({
        bytes,
        alt: `Four pictures painted after step ${step} of training`,
        file: `../${path}`,
        href,
        longest: 1024,
      }),
    })),
  );
  return [
    {
      id: 'strips',
      title: 'While it learnt',
      source: ['samples of the main branch, each linked to its file'],
      blocks: [
        {
          kind: 'strips',
          pictures,
          caption: 'The same captions and the same noise each time, with the adapter as it was then.',
        },
      ],
    },
  ];
}
