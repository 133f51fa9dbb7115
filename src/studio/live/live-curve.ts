import type { CurvePoint, TrainingCurves } from '../../reports/figures/plots.ts';
import type { RunSnapshot } from '../../runs/run-snapshot.ts';
import type { StoredRun } from './run-records.ts';

/** The curves of the main branch, with what heartbeats say since the last checkpoint. */
export type LiveCurve = TrainingCurves;

type Points = Pick<LiveCurve, 'loss' | 'heldOut' | 'learningRate'>;

const METRICS = { loss: 'loss', heldOut: 'heldOutLoss', learningRate: 'learningRate' } as const;
const KEYS = Object.keys(METRICS) as (keyof typeof METRICS)[];
/** Points kept between two checkpoints. */
const MAX_LIVE = 400;

/** Joins the stored curves with what the heartbeats of the run under way add to them. */
export function createLiveCurve(): {
  join: (stored: StoredRun | null, snapshot: RunSnapshot | null) => LiveCurve;
} {
  let heard: Points = { loss: [], heldOut: [], learningRate: [] };
  let lost: { step: number; inLedger: number }[] = [];
  return {
    join(stored, snapshot) {
      const now = trainingNow(snapshot);
      const preempted = (stored?.attempts ?? []).filter(({ ended }) => ended === 'preempted');
      const before = heard.loss.at(-1)?.step ?? 0;
      // A new attempt begins at the last checkpoint: what the one before did since then is lost.
      if (now !== null && now.step < before) {
        lost = [...lost.slice(-20), { step: before, inLedger: preempted.length }];
        heard = mapped((key) => heard[key].filter(({ step }) => step <= now.step));
      }
      if (now !== null) heard = mapped((key) => withPoint(heard[key], now.step, now.values[METRICS[key]]));
      const saved = stored?.curves.loss.at(-1)?.step ?? -1;
      heard = mapped((key) => heard[key].filter(({ step }) => step > saved));
      // The ledger has it as soon as the next attempt publishes.
      const fresh = lost.filter(({ inLedger }) => inLedger >= preempted.length);
      return {
        ...mapped((key) => [...(stored?.curves[key] ?? []), ...heard[key]]),
        preemptions: [...preempted.map(({ reached }) => reached), ...fresh.map(({ step }) => step)],
      };
    },
  };
}

function mapped(of: (key: keyof Points) => CurvePoint[]): Points {
  return Object.fromEntries(KEYS.map((key) => [key, of(key)])) as unknown as Points;
}

/** What the training of the main branch says now; null: it does not train. */
function trainingNow(snapshot: RunSnapshot | null): { step: number; values: Record<string, number> } | null {
  if (snapshot?.execution !== 'RUNNING' || snapshot.status?.phase !== 'train') return null;
  const progress = snapshot.pending.find(({ type, running }) => type === 'train' && running)?.progress;
  const step = progress?.metrics.step;
  return progress == null || progress.stage !== 'train' || step === undefined
    ? null
    : { step, values: progress.metrics };
}

/** Figures that are not measured at every step stay in the heartbeat until the next measurement: an equal one is none. */
function withPoint(points: CurvePoint[], step: number, value: number | undefined): CurvePoint[] {
  const last = points.at(-1);
  if (value === undefined || last?.value === value || (last !== undefined && last.step >= step))
    return points;
  return [...points, { step, value }].slice(-MAX_LIVE);
}
