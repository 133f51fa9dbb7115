import { describe, expect, it } from '@jest/globals';
import type { GpuProgress } from '../../../src/domain/run/activities.ts';
import {
  createProgress,
  describeProgress,
  initialProgress,
  progressOf,
} from '../../../src/domain/run/progress.ts';

describe('progress', () => {
  it('keeps the newest figures of each kind while stages come and go', () => {
    const progress = createProgress([]);
    progress.tell({ kind: 'metrics', values: { loss: 0.5, step: 1 } });
    progress.tell({ kind: 'checkpoint', step: 1, commit: 'c', at: 5 });
    progress.tell({ kind: 'stage', stage: 'train', done: 2, total: 4, etaSeconds: 60 });
    progress.tell({ kind: 'metrics', values: { step: 2 } });
    expect(progress.state).toEqual({
      stage: 'train',
      done: 2,
      total: 4,
      etaSeconds: 60,
      metrics: { loss: 0.5, step: 2 },
      lastCheckpoint: { step: 1, commit: 'c', at: 5 },
    });
  });

  it('tells every listener the same, and drops one that throws without the others noticing', () => {
    const heard: GpuProgress[] = [];
    const broken = () => {
      throw new Error('broken');
    };
    const progress = createProgress([broken, (state) => heard.push(state)]);
    progress.tell({ kind: 'metrics', values: { loss: 1 } });
    progress.tell({ kind: 'metrics', values: { loss: 2 } });
    expect(heard.map(({ metrics }) => metrics.loss)).toEqual([1, 2]);
  });

  it('takes the step of a metric along with its figures', () => {
    expect(progressOf({ event: 'metric', id: 'x', step: 7, values: { loss: 1 } })).toEqual({
      kind: 'metrics',
      values: { loss: 1, step: 7 },
    });
  });

  it('reads as one line', () => {
    const state = {
      ...initialProgress({ loss: 0.41234 }),
      stage: 'train',
      done: 120,
      total: 300,
      etaSeconds: 125,
    };
    expect(describeProgress(state)).toBe('train 120/300 (40 %), 2 min left, loss 0.4123');
  });
});
