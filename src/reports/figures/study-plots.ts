import type { Trial } from '../../domain/tuning/search-space.ts';
import type { StudyInsight } from '../../domain/tuning/study.ts';
import { PIGMENTS } from '../render/palette.ts';
import { renderSvg } from './plots.ts';

const STATE_COLOR = {
  field: 'state',
  type: 'nominal',
  scale: {
    domain: ['complete', 'stopped at a rung', 'limit broken', 'infeasible'],
    range: [PIGMENTS.ultramarine, PIGMENTS.stone, PIGMENTS.ochre, PIGMENTS.madder],
  },
};

const WORDS: Record<Trial['state'], string> = {
  complete: 'complete',
  running: 'stopped at a rung',
  paused: 'stopped at a rung',
  infeasible: 'infeasible',
};

function stateOf(trial: Trial): string {
  const broken = trial.reports.at(-1)?.violations.some((by) => by > 0) ?? false;
  return broken ? 'limit broken' : WORDS[trial.state];
}

/** Each trial's value by number, infeasible ones on the axis, and the best so far as a line. */
export async function studyHistory(trials: readonly Trial[], goal: string, width = 560): Promise<string> {
  let best = Number.POSITIVE_INFINITY;
  const points = trials.map((trial) => {
    if (trial.state === 'complete' && stateOf(trial) === 'complete')
      best = Math.min(best, trial.value ?? best);
    return {
      trial: trial.number,
      value: trial.value,
      state: stateOf(trial),
      best: Number.isFinite(best) ? best : null,
    };
  });
  const x = { field: 'trial', type: 'quantitative', title: 'trial', axis: { tickMinStep: 1 } };
  const y = { type: 'quantitative', title: goal, scale: { zero: false } };
  return renderSvg({
    width,
    height: 200,
    data: { values: points },
    layer: [
      {
        transform: [{ filter: 'datum.best !== null' }],
        mark: { type: 'line', interpolate: 'step-after', color: PIGMENTS.viridian, strokeWidth: 2 },
        encoding: { x, y: { ...y, field: 'best' } },
      },
      {
        transform: [{ filter: 'datum.value !== null' }],
        mark: { type: 'point', filled: true, size: 60 },
        encoding: { x, y: { ...y, field: 'value' }, color: STATE_COLOR },
      },
      {
        transform: [{ filter: 'datum.value === null' }],
        mark: { type: 'point', shape: 'cross', filled: true, size: 60 },
        encoding: { x, y: { value: 200 }, color: STATE_COLOR },
      },
    ],
  });
}

/** A line per trial across its parameters, each axis scaled to the values that were tried; dark is good. */
export async function parallelCoordinates(
  trials: readonly Trial[],
  space: Readonly<Record<string, { kind: string; log?: boolean } | undefined>>,
  goal: string,
  width = 560,
): Promise<string> {
  const fields = Object.keys(space).filter((field) => trials.some((t) => field in t.parameters));
  const scaled = fields.map((field) => axis(trials, field, space[field]?.log === true));
  const figures = trials.filter((trial) => trial.value !== null);
  const values = figures.flatMap((trial) =>
    scaled.flatMap(({ field, at }) => {
      const place = at(trial);
      return place === null ? [] : [{ field, place, trial: trial.number, value: trial.value }];
    }),
  );
  const ends = scaled.flatMap(({ field, labels }) =>
    labels.map(({ place, label }) => ({ field, place, label })),
  );
  const x = {
    field: 'field',
    type: 'nominal',
    sort: fields,
    title: null,
    axis: { labelAngle: 0, grid: true },
  };
  const y = { field: 'place', type: 'quantitative', axis: null, scale: { domain: [0, 1] } };
  return renderSvg({
    width,
    height: 220,
    layer: [
      {
        data: { values },
        mark: { type: 'line', strokeWidth: 1.6, opacity: 0.75 },
        encoding: {
          x,
          y,
          detail: { field: 'trial' },
          color: {
            field: 'value',
            type: 'quantitative',
            title: goal,
            scale: { range: [PIGMENTS.ultramarine, PIGMENTS.ochre] },
            legend: { title: goal, orient: 'right' },
          },
        },
      },
      {
        data: { values: ends },
        mark: { type: 'text', align: 'left', dx: 4, fontSize: 10, color: PIGMENTS.stone },
        encoding: { x, y, text: { field: 'label' } },
      },
    ],
  });
}

interface Axis {
  field: string;
  at: (trial: Trial) => number | null;
  labels: { place: number; label: string }[];
}

function axis(trials: readonly Trial[], field: string, log: boolean): Axis {
  const of = (trial: Trial) => trial.parameters[field as keyof typeof trial.parameters];
  const tried = [...new Set(trials.flatMap((t) => of(t) ?? []))];
  const numbers = tried.filter((value) => typeof value === 'number');
  if (numbers.length === tried.length && numbers.length > 0) {
    const scale = (value: number) => (log ? Math.log(value) : value);
    const [low, high] = [Math.min(...numbers), Math.max(...numbers)];
    const span = scale(high) - scale(low);
    const place = (value: number) => (span === 0 ? 0.5 : (scale(value) - scale(low)) / span);
    const ends = low === high ? [low] : [low, high];
    return {
      field,
      at: (trial) => {
        const value = of(trial);
        return typeof value === 'number' ? place(value) : null;
      },
      labels: ends.map((value) => ({ place: place(value), label: String(Number(value.toPrecision(2))) })),
    };
  }
  const names = tried.map(String).sort();
  const place = (name: string) => (names.length === 1 ? 0.5 : names.indexOf(name) / (names.length - 1));
  return {
    field,
    at: (trial) => (of(trial) === undefined ? null : place(String(of(trial)))),
    labels: names.map((name) => ({ place: place(name), label: name })),
  };
}

/** Part of a trial's goodness that each field explains. */
export async function importanceBars(insight: StudyInsight, width = 420): Promise<string> {
  const values = insight.importances.map(({ field, importance }) => ({ field, importance }));
  return renderSvg({
    width,
    height: { step: 22 },
    data: { values },
    encoding: {
      y: {
        field: 'field',
        type: 'nominal',
        sort: null,
        title: null,
        axis: { ticks: false, labelPadding: 8 },
      },
      x: { field: 'importance', type: 'quantitative', title: null, axis: { format: '.0%', tickCount: 5 } },
    },
    layer: [
      { mark: { type: 'bar', height: { band: 0.62 }, cornerRadiusEnd: 2, color: PIGMENTS.ultramarine } },
    ],
  });
}

/** Every trial's value over the rungs that it reached: where lines cross, early figures misled. */
export async function rungSurvival(trials: readonly Trial[], goal: string, width = 560): Promise<string> {
  const values = trials.flatMap((trial) =>
    trial.reports.map(({ step, values: [value] }) => ({
      trial: trial.number,
      step,
      value,
      state: stateOf(trial),
    })),
  );
  const steps = [...new Set(values.map(({ step }) => step))].sort((a, b) => a - b);
  const counts = steps.map((step) => ({
    step,
    label: `${values.filter((v) => v.step === step).length} trials`,
  }));
  const x = {
    field: 'step',
    type: 'quantitative',
    title: 'steps',
    axis: { values: steps },
    scale: { type: 'log', nice: false, padding: 24 },
  };
  return renderSvg({
    width,
    height: 200,
    layer: [
      {
        data: { values },
        mark: { type: 'line', strokeWidth: 1.4, opacity: 0.8, point: { filled: true, size: 26 } },
        encoding: {
          x,
          y: { field: 'value', type: 'quantitative', title: goal, scale: { zero: false } },
          detail: { field: 'trial' },
          color: STATE_COLOR,
        },
      },
      {
        data: { values: counts },
        mark: { type: 'text', dy: -4, baseline: 'bottom', fontSize: 10, color: PIGMENTS.stone },
        encoding: { x, y: { value: 0 }, text: { field: 'label' } },
      },
    ],
  });
}
