import type { TrainerEvent } from '../trainer-protocol.ts';
import type { GpuProgress } from './activities.ts';

/** What observers of a GPU activity hear; every listener gets the same events. */
export type ProgressEvent =
  | { kind: 'stage'; stage: string; done: number; total: number; etaSeconds: number | null }
  | { kind: 'metrics'; values: Record<string, number> }
  | { kind: 'checkpoint'; step: number; commit: string; at: number };

/** Listens to progress; it must neither throw nor block. */
export type ProgressListener = (state: GpuProgress, event: ProgressEvent) => void;

/** Where an activity begins; `metrics` carries over what an attempt before it had reported. */
export function initialProgress(metrics: Record<string, number> = {}): GpuProgress {
  return { stage: 'starting', done: 0, total: 0, etaSeconds: null, metrics, lastCheckpoint: null };
}

/** The one place where events become state: for heartbeats, `status`, `watch` and metrics alike. */
export function reduceProgress(state: GpuProgress, event: ProgressEvent): GpuProgress {
  switch (event.kind) {
    case 'stage':
      return {
        ...state,
        stage: event.stage,
        done: event.done,
        total: event.total,
        etaSeconds: event.etaSeconds,
      };
    case 'metrics':
      return { ...state, metrics: { ...state.metrics, ...event.values } };
    case 'checkpoint':
      return { ...state, lastCheckpoint: { step: event.step, commit: event.commit, at: event.at } };
  }
}

/** The trainer's events as progress: figures carry their step; what is no progress is null. */
export function progressOf(event: TrainerEvent): ProgressEvent | null {
  switch (event.event) {
    case 'progress': {
      const { stage, done, total, etaSeconds } = event;
      return { kind: 'stage', stage, done, total, etaSeconds };
    }
    case 'metric':
      return { kind: 'metrics', values: { ...event.values, step: event.step } };
    case 'ready':
    case 'checkpoint':
    case 'sample':
    case 'result':
    case 'error':
      return null;
  }
}

/** Keeps the state and tells every listener, one event at a time; a listener that throws is dropped, never felt. */
export function createProgress(
  listeners: ProgressListener[],
  initial: GpuProgress = initialProgress(),
): { readonly state: GpuProgress; tell: (event: ProgressEvent) => void } {
  let state = initial;
  const live = new Set(listeners);
  return {
    get state() {
      return state;
    },
    tell(event) {
      state = reduceProgress(state, event);
      for (const listener of live) {
        try {
          listener(state, event);
        } catch {
          live.delete(listener);
        }
      }
    },
  };
}

/** One line for people: `train 120/300 (40 %), 2 min left, loss 0.412`. */
export function describeProgress({ stage, done, total, etaSeconds, metrics }: GpuProgress): string {
  const share = total > 0 ? ` ${done}/${total} (${Math.floor((100 * done) / total)} %)` : '';
  const left = etaSeconds === null ? '' : `, ${describeSeconds(etaSeconds)} left`;
  const loss = metrics.loss === undefined ? '' : `, loss ${metrics.loss.toFixed(4)}`;
  const heldOut =
    metrics.heldOutLoss === undefined ? '' : `, held-out loss ${metrics.heldOutLoss.toFixed(4)}`;
  return `${stage}${share}${left}${loss}${heldOut}`;
}

function describeSeconds(seconds: number): string {
  if (seconds < 90) return `${Math.ceil(seconds)} s`;
  return seconds < 5400 ? `${Math.round(seconds / 60)} min` : `${(seconds / 3600).toFixed(1)} h`;
}
