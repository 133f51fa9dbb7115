import type { AnalysisRecord, Histogram, NameCounts } from '../../domain/dataset/analysis.ts';
import { inlinePicture } from '../figures/grids.ts';
import { countBars, histogramPlot, svgToPng } from '../figures/plots.ts';
import type { Block, ReportDocument, Section } from '../render/blocks.ts';
import { toHtml } from '../render/html.ts';
import { toMarkdown } from '../render/markdown-report.ts';

/** A file of the report, by its path below the report's folder. */
export interface ReportFile {
  path: string;
  content: string | Buffer;
}

/** The analysis as a page that opens without a network and as Markdown, with plots and contact sheets. */
export async function analysisReport(
  record: AnalysisRecord,
  sheets: ReadonlyMap<string, Buffer>,
): Promise<ReportFile[]> {
  const files: ReportFile[] = [];
  const document = await documentOf(record, sheets, files);
  return [
    { path: 'index.html', content: toHtml(document) },
    { path: 'report.md', content: toMarkdown(document) },
    ...files,
  ];
}

const TONES = { ready: 'good', warnings: 'unsure', blocked: 'bad' } as const;

async function documentOf(
  record: AnalysisRecord,
  sheets: ReadonlyMap<string, Buffer>,
  files: ReportFile[],
): Promise<ReportDocument> {
  const { images, findings, verdict } = record;
  const of = (level: string) => findings.filter((f) => f.level === level).length;
  return {
    title: 'Before training',
    subtitle: record.dataset.repo,
    outcome: {
      word: verdict === 'warnings' ? 'ready, with warnings' : verdict,
      tone: TONES[verdict],
      sentence: `${of('blocker')} blockers and ${of('warning')} warnings`,
    },
    facts: [
      ['To train on', String(images.train)],
      ['Held out', String(images.held_out)],
      ['Sealed test', String(images.test)],
      ['Other styles', String(images.neighbors)],
      ['Left out', String(Object.values(record.dropped).reduce((a, b) => a + b, 0))],
    ],
    sections: [
      readiness(record),
      await pictures(record, sheets),
      await distributions(record, files),
      await leftOut(record, files),
      borderline(record),
      split(record),
      captions(record),
      training(record),
    ],
    footer: `Dataset ${record.dataset.repo} at commit ${record.dataset.commit}. Pictures of the sealed test split are not shown and not counted in any plot.`,
  };
}

function readiness({ findings }: AnalysisRecord): Section {
  return {
    id: 'readiness',
    title: 'Readiness',
    source: null,
    blocks: [
      {
        kind: 'list',
        items: findings.map(({ level, text }) => [
          { mark: level, tone: level === 'blocker' ? 'bad' : level === 'warning' ? 'unsure' : 'quiet' },
          ` ${text}`,
        ]),
      },
    ],
  };
}

async function pictures(record: AnalysisRecord, sheets: ReadonlyMap<string, Buffer>): Promise<Section> {
  const blocks: Block[] = [];
  for (const [path, alt, caption] of [
    [record.sheets.kept, 'Pictures that were kept', 'Kept, to train on.'],
    [
      record.sheets.dropped,
      'Pictures that were left out',
      'Left out; the color of the band is the reason, explained in the dataset card.',
    ],
    [
      record.sheets.borderline,
      'Pictures that deserve another look',
      'Kept, but near a limit or with a doubtful label (red bands).',
    ],
  ] as const) {
    const bytes = path === null ? undefined : sheets.get(path);
    if (path === null || bytes === undefined) continue;
    blocks.push({
      kind: 'picture',
      picture: await inlinePicture({ bytes, alt, file: `../${path}`, longest: 1200 }),
      caption,
    });
  }
  return { id: 'pictures', title: 'The pictures', source: null, blocks };
}

async function distributions(record: AnalysisRecord, files: ReportFile[]): Promise<Section> {
  const { distributions: d } = record;
  const blocks: Block[] = [];
  const names: [string, string, NameCounts][] = [
    ['genre', 'Genre', d.genre],
    ['artist', 'Artist, the twenty most frequent', d.artist.slice(0, 20)],
    ['bucket', 'Size of the prepared picture', d.bucket],
  ];
  for (const [file, title, counts] of names)
    if (counts.length > 0)
      blocks.push(
        await plot(files, {
          file,
          title,
          svg: await countBars(
            Object.fromEntries(counts.map(({ name, count }) => [name || 'unknown', count])),
          ),
        }),
      );
  const figures: [string, string, Histogram][] = [
    ['short-side', 'Shorter side inside the frame, in pixels', d.shortSide],
    ['aspect', 'Width over height', d.aspect],
    ['chroma', 'Colorfulness (mean CIELAB chroma)', d.chroma],
    ['brightness', 'Brightness (mean CIELAB lightness)', d.brightness],
    ['sharpness', 'Sharpness (log10 of fine over coarse detail)', d.sharpness],
    ['caption-words', 'Words of a caption', d.captionWords],
  ];
  for (const [file, title, histogram] of figures)
    if (histogram.counts.length > 0)
      blocks.push(await plot(files, { file, title, svg: await histogramPlot(histogram, title) }));
  return { id: 'distributions', title: 'What the training pictures are like', source: null, blocks };
}

async function leftOut(record: AnalysisRecord, files: ReportFile[]): Promise<Section> {
  const some = Object.values(record.dropped).some((count) => count > 0);
  const blocks: Block[] = some
    ? [
        await plot(files, {
          file: 'dropped',
          title: 'Left out, by reason',
          svg: await countBars(record.dropped),
        }),
      ]
    : [{ kind: 'paragraph', text: 'Nothing was left out.' }];
  return { id: 'left-out', title: 'Left out', source: null, blocks };
}

function borderline({ borderline: images }: AnalysisRecord): Section {
  const shown = images.slice(0, 40);
  return {
    id: 'borderline',
    title: 'Borderline pictures and doubtful labels',
    source: null,
    blocks:
      shown.length === 0
        ? [{ kind: 'paragraph', text: 'No picture is near a limit, and no label is doubtful.' }]
        : [
            {
              kind: 'table',
              head: ['picture', 'doubt', 'measured', 'limit'],
              right: [3],
              rows: shown.map(({ source, doubt, measured, limit }) => [
                { code: source },
                doubt,
                String(measured),
                String(limit),
              ]),
              caption: `${images.length} pictures${images.length > shown.length ? `, the first ${shown.length}` : ''}. A doubtful label looks more like another style by tone, color and edges: a hint to look, nothing was dropped for it.`,
            },
          ],
  };
}

function split({ proof, nearestCrossSplit: nearest, unseenArtists }: AnalysisRecord): Section {
  const blocks: Block[] = [
    {
      kind: 'paragraph',
      text:
        nearest === null
          ? 'No two pictures of different splits are within 19 of 64 bits by perceptual hash.'
          : `The closest pictures of different splits are ${nearest.bits} of 64 bits apart (${nearest.a} and ${nearest.b}).`,
    },
    {
      kind: 'paragraph',
      text: `Artists that training never sees: ${[...unseenArtists.held_out, ...unseenArtists.test].join(', ') || 'none'}.`,
    },
  ];
  if (proof !== null)
    blocks.push({
      kind: 'table',
      head: ['splits', 'closest pair', 'bits'],
      right: [2],
      rows: proof.nearest
        .filter(({ pair }) => pair !== null)
        .map(({ splits, pair }) => [splits.join(' and '), `${pair?.a} and ${pair?.b}`, String(pair?.bits)]),
      caption: `Pairs up to ${proof.limitBits} bits share a cluster, and of ${proof.clusters} clusters ${proof.clustersAcrossSplits} lie in two splits. Held out: ${proof.heldOut.held_out.unseenArtists} works by unseen artists, ${proof.heldOut.held_out.knownArtists} by known ones.`,
    });
  return { id: 'split', title: 'That nothing leaks', source: null, blocks };
}

function captions({ tokens, coverage, distributions: d }: AnalysisRecord): Section {
  const encoders = (['clip', 't5'] as const).flatMap((name) => {
    const counted = tokens[name];
    return counted === null
      ? []
      : [
          [
            name === 'clip' ? 'CLIP' : 'T5',
            String(counted.longest),
            String(counted.limit),
            String(counted.cut),
          ],
        ];
  });
  const blocks: Block[] = [
    {
      kind: 'table',
      head: ['caption', 'pictures'],
      right: [1],
      rows: d.caption.slice(0, 12).map(({ name, count }) => [name, String(count)]),
    },
  ];
  if (encoders.length > 0)
    blocks.push({
      kind: 'table',
      head: ['encoder', 'longest caption', 'limit', 'cut off'],
      right: [1, 2, 3],
      rows: encoders,
    });
  if (coverage.length > 0)
    blocks.push({
      kind: 'table',
      head: ['prompt of the evaluation', 'pictures with a word of it', 'words no caption has'],
      right: [1],
      rows: coverage.map((c) => [c.prompt, String(c.pictures), c.unknown.join(', ')]),
    });
  return { id: 'captions', title: 'Captions and prompts', source: null, blocks };
}

function training({ training: t, forecast, adapter, vramBytes, baseline }: AnalysisRecord): Section {
  const blocks: Block[] = [
    {
      kind: 'facts',
      items: [
        ['Steps', String(t.steps)],
        ['Pictures a step', String(t.effectiveBatch)],
        ['Times each picture is seen', String(t.epochs)],
        ['Checkpoints', String(t.checkpoints)],
        ...(adapter === null
          ? []
          : ([
              ['Adapter', `${(adapter.bytes / 1e6).toFixed(1)} MB`],
              ['A checkpoint', `${(adapter.checkpointBytes / 1e6).toFixed(1)} MB`],
            ] as [string, string][])),
        ...(vramBytes === null
          ? []
          : ([['GPU memory', `${(vramBytes / 1e9).toFixed(1)} GB`]] as [string, string][])),
      ],
    },
  ];
  if (forecast.length > 0)
    blocks.push({
      kind: 'table',
      head: ['GPU', 'fits', 's a step', 'h to encode', 'h to train', 'h to evaluate', 'Colab units', 'USD'],
      right: [2, 3, 4, 5, 6, 7],
      rows: forecast.map((f) => [
        f.gpu,
        f.fits ? 'yes' : 'no',
        ...[f.secondsPerStep, f.encodingHours, f.hours, f.evaluationHours].map(String),
        f.computeUnits === null ? '' : String(f.computeUnits),
        f.usd === null ? '' : String(f.usd),
      ]),
      caption:
        'Predicted from the shape of the base, data-sheet speeds and the work counted from the configuration, held-out losses and validation images included: right within a factor of two or so. Loading and downloads come on top. Prices change; the table of accelerators names the source and day of each. A lower evaluation.seedsPerPrompt paints fewer pictures, and the gate is then the likelier to end INCONCLUSIVE.',
    });
  if (baseline !== null)
    blocks.push({
      kind: 'paragraph',
      text: baseline.painted
        ? [
            'The base’s own pictures of the standard set, which the gate compares with, are in ',
            { code: baseline.repo },
            ' under ',
            { code: baseline.folder },
            '.',
          ]
        : 'The base’s own pictures and scores, which the gate compares with, are made once by the first evaluation on this base and shared from then on.',
    });
  const scores = Object.entries(baseline?.scores ?? {});
  if (scores.length > 0)
    blocks.push({
      kind: 'table',
      head: ['the base itself', 'estimate', 'low', 'high', 'pictures'],
      right: [1, 2, 3, 4],
      rows: scores.map(([name, { estimate, low, high, n }]) => [
        name,
        ...[estimate, low, high].map((value) => value?.toPrecision(3) ?? '–'),
        String(n),
      ]),
      caption: 'Scores of the base on the standard samples against this dataset, from an earlier evaluation.',
    });
  return { id: 'training', title: 'What training would take', source: null, blocks };
}

async function plot(files: ReportFile[], p: { file: string; title: string; svg: string }): Promise<Block> {
  files.push({ path: `plots/${p.file}.svg`, content: Buffer.from(p.svg) });
  files.push({ path: `plots/${p.file}.png`, content: await svgToPng(p.svg) });
  return { kind: 'plot', svg: p.svg, alt: p.title, caption: p.title, file: `plots/${p.file}.png` };
}
