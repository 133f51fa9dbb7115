import { inlinePicture, sampleGrid } from '../figures/grids.ts';
import { intervalPlot, svgToPng } from '../figures/plots.ts';
import type { GateRow, SampleRow } from '../records/run-records.ts';
import type { Block, Rich, Section } from '../render/blocks.ts';
import { figure } from '../render/markdown.ts';
import type { ReportBuild } from './report-build.ts';

/** Sections about the candidate: its pictures, its gate, and how near it came to its training set. */
export async function judgmentSections(
  build: ReportBuild,
  at: Place,
): Promise<{ pictures: Section[]; gate: Section[]; copying: Section[] }> {
  return {
    pictures: await pictures(build, at),
    gate: await gate(build),
    copying: await copying(build, at),
  };
}

/** Where the evaluation's pictures lie from the report, and whether the Markdown shows them as one grid. */
interface Place {
  folder: string;
  grid: boolean;
}

async function pictures(build: ReportBuild, at: Place): Promise<Section[]> {
  const { samples, summary } = build.records;
  if (samples.length === 0 || summary.evaluation === null) return [];
  if (at.grid) {
    const grid = await sampleGrid(samples.map(({ prompt, pairs }) => ({ prompt, pairs: pairs.slice(0, 2) })));
    build.files.push({ path: 'samples.png', content: grid });
  }
  const longest = samples.length * (samples[0]?.pairs.length ?? 0) > 40 ? 256 : 320;
  const { report } = summary.evaluation;
  const folder = report.path.slice(0, report.path.lastIndexOf('/') + 1);
  const url = (path: string) => build.url({ ...report, path: `${folder}${path}` });
  const shown = await Promise.all(
    samples.map(async (row) => ({
      prompt: withoutTrigger(row.prompt, summary.context.config.dataset.trigger),
      pairs: await Promise.all(
        row.pairs.map(async (pair) => ({
          seed: pair.seed,
          base: await painted({ row, pair, who: 'base', longest, url, at }),
          candidate: await painted({ row, pair, who: 'candidate', longest, url, at }),
          ...(pair.production === undefined
            ? {}
            : { production: await painted({ row, pair, who: 'production', longest, url, at }) }),
        })),
      ),
    })),
  );
  return [
    {
      id: 'pictures',
      title: 'Before and after',
      source: ['the standard samples, beside ', ...build.file(summary.evaluation.report)],
      blocks: [
        {
          kind: 'samples',
          samples: shown,
          grid: at.grid ? 'samples.png' : null,
          caption: `The same prompts and seeds, painted by the base model and with the adapter. Chosen by rule before training, not by eye after it; “${summary.context.config.dataset.trigger}” is added to each prompt.`,
        },
      ],
    },
  ];
}

function withoutTrigger(prompt: string, trigger: string): string {
  return prompt.endsWith(`, ${trigger}`) ? prompt.slice(0, -trigger.length - 2) : prompt;
}

async function painted(p: {
  row: SampleRow;
  pair: SampleRow['pairs'][number];
  who: keyof typeof PAINTERS;
  longest: number;
  url: (path: string) => string;
  at: Place;
}) {
  const { row, pair, who, longest, at } = p;
  const bytes = pair[who];
  if (bytes === null || bytes === undefined) return null;
  const { by, folder } = PAINTERS[who];
  return inlinePicture({
    bytes,
    alt: `${row.prompt}, painted by ${by}, seed ${pair.seed}`,
    file: `${at.folder}/${folder}/${pair.id}.png`,
    href: p.url(`${folder}/${pair.id}.png`),
    longest,
  });
}

const PAINTERS = {
  base: { by: 'the base model', folder: 'base' },
  candidate: { by: 'the adapter', folder: 'candidate' },
  production: { by: 'the release in production', folder: 'rivals/production' },
} as const;

async function gate(build: ReportBuild): Promise<Section[]> {
  const { records } = build;
  const { gate: decision, evaluation } = records.summary;
  if (evaluation === null) return [];
  const blocks: Block[] = [];
  const plotted = [
    ...records.gate,
    ...records.informative.filter((r) => r.metric.startsWith('kid.') || r.metric.startsWith('style.')),
  ];
  const rows = plotted.flatMap((r) =>
    r.low === null || r.value === null || r.high === null
      ? []
      : [{ ...r, low: r.low, value: r.value, high: r.high }],
  );
  if (records.problems.length > 0) blocks.push({ kind: 'list', items: records.problems });
  if (records.gate.length > 0) blocks.push(gateTable(records.gate));
  if (rows.length > 0) {
    const svg = await intervalPlot(rows);
    build.files.push({ path: 'plots/gate.svg', content: Buffer.from(svg) });
    build.files.push({ path: 'plots/gate.png', content: await svgToPng(svg) });
    blocks.push({
      kind: 'plot',
      svg,
      alt: `Intervals of ${rows.map((r) => r.metric).join(', ')} against their thresholds`,
      caption: [
        'Each metric on its own scale: the line is the confidence interval, the dot the estimate, the upright tick the threshold that the interval has to clear. From ',
        { link: 'report.json', href: build.url(evaluation.report) },
        '.',
      ],
      file: 'plots/gate.png',
    });
  }
  if (records.informative.length > 0) blocks.push(informative(records.informative));
  if (records.slices.length > 0) blocks.push(...slices(build), ...(await slicePlot(build)));
  for (const { metric, reason } of records.omitted)
    blocks.push({ kind: 'paragraph', text: ['Not measured: ', { code: metric }, `, ${reason}`] });
  return [
    {
      id: 'gate',
      title: 'The gate',
      source: [
        ...build.file(evaluation.report),
        ...(decision === null ? [] : [', ', ...build.file(decision.record)]),
        ...(records.encoder === null ? [] : [`; features by ${records.encoder}`]),
      ],
      blocks,
    },
  ];
}

function interval(row: GateRow): string {
  return row.low === null || row.high === null ? 'not measured' : `${figure(row.low)} … ${figure(row.high)}`;
}

/** Every rule with its figure, its interval and what it asks for. */
export function gateTable(rows: readonly GateRow[]): Block {
  return {
    kind: 'table',
    head: ['rule', 'estimate', 'interval', 'must be', 'holds'],
    right: [1, 2],
    rows: rows.map((row): Rich[] => [
      { code: row.metric },
      figure(row.value),
      interval(row),
      row.must === null ? '' : `${row.must} ${figure(row.threshold)}`,
      row.holds === null
        ? { mark: 'undecided', tone: 'unsure' }
        : row.holds
          ? { mark: 'yes', tone: 'good' }
          : { mark: 'no', tone: 'bad' },
    ]),
  };
}

function informative(rows: GateRow[]): Block {
  return {
    kind: 'table',
    caption: 'Measured for information; no rule asks for these.',
    head: ['metric', 'estimate', 'interval', 'how'],
    right: [1, 2],
    rows: rows.map((row): Rich[] => [{ code: row.metric }, figure(row.value), interval(row), row.note]),
  };
}

function slices(build: ReportBuild): Block[] {
  const { slices: all } = build.records;
  const names = [...new Set(all.flatMap((s) => Object.keys(s.metrics)))];
  if (names.length === 0) return [];
  return [
    {
      kind: 'table',
      caption: 'By kind of prompt (estimates).',
      head: ['slice', ...names],
      right: names.map((_, i) => i + 1),
      rows: all.map((s) => [s.slice, ...names.map((name) => figure(s.metrics[name]))]),
    },
  ];
}

/** What each kind of prompt gained in style, with its interval: what lost does not hide in the mean. */
async function slicePlot(build: ReportBuild): Promise<Block[]> {
  const rows = build.records.slices.flatMap(({ slice, gain }) =>
    gain == null || gain.low === null || gain.high === null || gain.estimate === null
      ? []
      : [
          {
            metric: slice,
            low: gain.low,
            value: gain.estimate,
            high: gain.high,
            threshold: 0,
            holds: gain.low > 0,
          },
        ],
  );
  if (rows.length === 0) return [];
  const svg = await intervalPlot(rows);
  build.files.push({ path: 'plots/slices.svg', content: Buffer.from(svg) });
  build.files.push({ path: 'plots/slices.png', content: await svgToPng(svg) });
  return [
    {
      kind: 'plot',
      svg,
      alt: `Gain in style margin over the base by kind of prompt: ${rows.map((r) => `${r.metric} ${figure(r.value)}`).join(', ')}`,
      caption: 'Gain in style margin over the base, by kind of prompt. The upright tick is no gain.',
      file: 'plots/slices.png',
    },
  ];
}

async function copying(build: ReportBuild, at: Place): Promise<Section[]> {
  const { closest, summary } = build.records;
  if (closest.length === 0 || summary.evaluation === null) return [];
  const evaluation = summary.evaluation.report;
  const shown = await Promise.all(
    closest.map(async (pair) => ({
      caption: [
        `${figure(pair.cosine)} to the training picture, ${figure(pair.unseenCosine)} to the nearest unseen one: `,
        { code: pair.sampleId },
        ' and ',
        { code: pair.trainingId },
      ] as Rich,
      picture:
        pair.picture === null
          ? null
          : await inlinePicture({
              bytes: pair.picture,
              alt: `Sample ${pair.sampleId}, its nearest training picture and its nearest unseen picture, side by side`,
              file: `${at.folder}/${pair.path}`,
              href: build.url({
                ...evaluation,
                path: `${evaluation.path.slice(0, evaluation.path.lastIndexOf('/') + 1)}${pair.path}`,
              }),
              longest: 560,
            }),
    })),
  );
  return [
    {
      id: 'copying',
      title: 'Closest to the training set',
      source: build.file(summary.evaluation.report),
      blocks: [
        {
          kind: 'gallery',
          pictures: shown.flatMap((s) =>
            s.picture === null ? [] : [{ picture: s.picture, caption: s.caption }],
          ),
          caption:
            'Left to right: the sample, the training picture nearest to it, the nearest picture that training never saw. Cosine similarity in the space in which copying is measured; look for copies by eye.',
        },
      ],
    },
  ];
}
