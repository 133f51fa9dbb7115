import { createHash } from 'node:crypto';
import sharp from 'sharp';
import * as vega from 'vega';
import { compile, type TopLevelSpec } from 'vega-lite';
import { PIGMENTS, SANS } from '../render/palette.ts';

/** A value of a series at a training step. */
export interface CurvePoint {
  step: number;
  value: number;
}

/** What the training curves show; every list may be empty. */
export interface TrainingCurves {
  loss: CurvePoint[];
  heldOut: CurvePoint[];
  learningRate: CurvePoint[];
  /** Steps at which an attempt died and another one went on. */
  preemptions: number[];
}

/** One metric with its interval and, where a rule asks for it, its threshold. */
export interface IntervalRow {
  metric: string;
  low: number;
  value: number;
  high: number;
  threshold: number | null;
  holds: boolean | null;
}

const CONFIG = {
  background: 'transparent',
  aria: false,
  font: SANS,
  padding: 4,
  view: { stroke: null },
  axis: {
    labelColor: PIGMENTS.stone,
    titleColor: PIGMENTS.stone,
    titleFontWeight: 'normal',
    labelFontSize: 11,
    titleFontSize: 11,
    gridColor: PIGMENTS.stone,
    gridOpacity: 0.18,
    domain: false,
    tickColor: PIGMENTS.stone,
    tickOpacity: 0.4,
  },
  header: { labelColor: PIGMENTS.stone, labelFontSize: 11, title: null },
  legend: {
    labelColor: PIGMENTS.stone,
    labelFontSize: 11,
    labelLimit: 0,
    orient: 'top',
    title: null,
    symbolStrokeWidth: 2.5,
    symbolOpacity: 1,
  },
} as const;

/** Draws a Vega-Lite specification; the same specification gives the same bytes. */
export async function renderSvg(spec: object): Promise<string> {
  const { spec: compiled } = compile({ ...spec, config: CONFIG } as unknown as TopLevelSpec);
  const view = new vega.View(vega.parse(compiled), { renderer: 'none', logLevel: vega.Error });
  try {
    return ownIds(await view.toSVG());
  } finally {
    view.finalize();
  }
}

/** Ids that Vega counts over the life of the process: of clip paths and of legends' gradients. */
const COUNTED = /\b(?:clip|gradient_)\d+/g;

/** Ids of the drawing's own make its bytes its own. */
function ownIds(svg: string): string {
  const ids = [...new Set(svg.match(COUNTED))];
  if (ids.length === 0) return svg;
  const name = createHash('sha256').update(svg.replaceAll(COUNTED, '')).digest('hex').slice(0, 8);
  return svg.replaceAll(COUNTED, (id) => `${id.replace(/\d+$/, '')}-${name}-${ids.indexOf(id)}`);
}

/** A plot as PNG on paper white at twice its size, for cards that cannot hold SVG. */
export async function svgToPng(svg: string): Promise<Buffer> {
  return sharp(Buffer.from(svg), { density: 144 }).flatten({ background: '#fffdf8' }).png().toBuffer();
}

/** Exponential moving average, so that the trend shows through the noise; same length, same steps. */
export function smooth(points: CurvePoint[], keep = 0.9): CurvePoint[] {
  let mean = 0;
  let weight = 0;
  return points.map(({ step, value }) => {
    mean = keep * mean + (1 - keep) * value;
    weight = keep * weight + (1 - keep);
    return { step, value: mean / weight };
  });
}

const LOSS = 'training loss';
const TREND = 'smoothed';
const HELD_OUT = 'held-out loss';

/** Training loss, its trend, held-out loss with preemptions marked; the learning rate below. */
export async function trainingCurves(curves: TrainingCurves, width = 640): Promise<string> {
  const named = (name: string, points: CurvePoint[]) => points.map((p) => ({ ...p, name }));
  const values = [
    ...named(LOSS, curves.loss),
    ...named(TREND, smooth(curves.loss)),
    ...named(HELD_OUT, curves.heldOut),
  ];
  const lastStep = Math.max(1, ...values.map((v) => v.step), ...curves.learningRate.map((p) => p.step));
  const x = (title: string | null) => ({
    field: 'step',
    type: 'quantitative',
    title,
    scale: { domain: [0, lastStep], nice: false },
  });
  const color = {
    field: 'name',
    type: 'nominal',
    scale: {
      domain: [LOSS, TREND, HELD_OUT],
      range: [PIGMENTS.stone, PIGMENTS.ultramarine, PIGMENTS.madder],
    },
  };
  const y = { field: 'value', type: 'quantitative', title: 'loss', scale: { zero: false, nice: true } };
  const encoding = { x: x(null), y, color };
  const line = (name: string, mark: object) => ({
    transform: [{ filter: `datum.name === '${name}'` }],
    mark: { type: 'line', ...mark },
    encoding,
  });
  const loss = {
    width,
    height: 220,
    data: { values },
    layer: [
      line(LOSS, { strokeWidth: 0.8, opacity: 0.45 }),
      line(TREND, { strokeWidth: 2 }),
      line(HELD_OUT, { strokeWidth: 2, point: { filled: true, size: 36 } }),
      {
        data: { values: curves.preemptions.map((step) => ({ step })) },
        mark: { type: 'rule', strokeDash: [3, 3], strokeWidth: 1.5, color: PIGMENTS.ochre },
        encoding: { x: x(null) },
      },
    ],
  };
  const rate = {
    width,
    height: 60,
    data: { values: curves.learningRate },
    mark: { type: 'area', line: { color: PIGMENTS.viridian }, color: PIGMENTS.viridian, fillOpacity: 0.15 },
    encoding: {
      x: x('step'),
      y: {
        field: 'value',
        type: 'quantitative',
        title: 'learning rate',
        axis: { tickCount: 2, format: '.0e' },
      },
    },
  };
  return renderSvg({ vconcat: curves.learningRate.length === 0 ? [loss] : [loss, rate], spacing: 12 });
}

/** Horizontal bars of counts, largest first; `accent` says which bar is dark. */
export async function countBars(
  counts: Record<string, number>,
  options: { width?: number; accent?: string } = {},
): Promise<string> {
  const values = Object.entries(counts)
    .filter(([, count]) => count > 0)
    .map(([label, count]) => ({ label, count }))
    .sort((a, b) => b.count - a.count || (a.label < b.label ? -1 : 1));
  return renderSvg({
    width: options.width ?? 460,
    height: { step: 20 },
    data: { values },
    encoding: {
      y: {
        field: 'label',
        type: 'nominal',
        sort: null,
        title: null,
        axis: { ticks: false, labelPadding: 8, labelLimit: 220 },
      },
      x: { field: 'count', type: 'quantitative', title: null, axis: null },
    },
    layer: [
      {
        mark: { type: 'bar', height: { band: 0.62 }, cornerRadiusEnd: 2 },
        encoding: {
          color: {
            condition: {
              test: `datum.label === ${JSON.stringify(options.accent ?? '')}`,
              value: PIGMENTS.ultramarine,
            },
            value: PIGMENTS.stone,
          },
        },
      },
      {
        mark: { type: 'text', align: 'left', dx: 5, fontSize: 11, color: PIGMENTS.stone },
        encoding: { text: { field: 'count', type: 'quantitative' } },
      },
    ],
  });
}

/** Each metric on a scale of its own: interval as a line, estimate as a dot, threshold as a tick. */
export async function intervalPlot(rows: IntervalRow[], width = 420): Promise<string> {
  return renderSvg({
    spacing: 6,
    vconcat: rows.map((row) => {
      const ends = [row.low, row.high, row.value, ...(row.threshold === null ? [] : [row.threshold])].filter(
        Number.isFinite,
      );
      const low = Math.min(...ends);
      const high = Math.max(...ends);
      const margin = high > low ? (high - low) * 0.12 : Math.abs(high) * 0.1 + 1e-6;
      const pigment = row.holds === null ? PIGMENTS.stone : row.holds ? PIGMENTS.viridian : PIGMENTS.madder;
      return {
        width,
        height: 26,
        data: { values: [row] },
        encoding: {
          y: {
            field: 'metric',
            type: 'nominal',
            title: null,
            axis: {
              ticks: false,
              labelPadding: 8,
              labelLimit: 220,
              minExtent: 190,
              maxExtent: 190,
              grid: false,
            },
          },
        },
        layer: [
          {
            mark: { type: 'rule', strokeWidth: 3, opacity: 0.5, color: pigment, strokeCap: 'round' },
            encoding: {
              x: {
                field: 'low',
                type: 'quantitative',
                title: null,
                scale: { domain: [low - margin, high + margin], nice: false, zero: false },
                axis: { tickCount: 4, labelPadding: 1, labelFontSize: 9, grid: false },
              },
              x2: { field: 'high' },
            },
          },
          {
            mark: { type: 'point', filled: true, size: 70, opacity: 1, color: pigment },
            encoding: { x: { field: 'value', type: 'quantitative' } },
          },
          ...(row.threshold === null
            ? []
            : [
                {
                  mark: { type: 'tick', thickness: 2, size: 20, color: PIGMENTS.ochre },
                  encoding: { x: { field: 'threshold', type: 'quantitative' } },
                },
              ]),
        ],
      };
    }),
  });
}

/** Bars of a histogram's counts over its edges. */
export async function histogramPlot(
  { edges, counts }: { edges: number[]; counts: number[] },
  title: string,
): Promise<string> {
  const values = counts.map((count, at) => ({ from: edges[at], to: edges[at + 1], count }));
  return renderSvg({
    width: 420,
    height: 120,
    data: { values },
    mark: { type: 'bar', color: PIGMENTS.ultramarine, opacity: 0.85 },
    encoding: {
      x: { field: 'from', type: 'quantitative', bin: { binned: true }, title },
      x2: { field: 'to' },
      y: { field: 'count', type: 'quantitative', title: 'pictures' },
    },
  });
}
