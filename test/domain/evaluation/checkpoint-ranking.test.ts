import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  earliestWinner,
  nearLeast,
  type SampledCheckpoint,
  scoreOf,
} from '../../../src/domain/evaluation/checkpoint-ranking.ts';
import { type CheckpointFolder, dropped } from '../../../src/domain/training/checkpoint-choice.ts';
import { metric, shaOf } from '../report-in-test.ts';

/** A loss whose pictures differ by far more than steps do, and by `noise` from step to step. */
const at = (step: number, loss: number, noise = 0.02) => ({
  ...{ step, loss, error: 0.2 },
  pictures: [-0.6, -0.2, 0.2, 0.6].map(
    (own, i) => loss + own + (step === 150 ? 0 : ([noise, -noise][i % 2] as number)),
  ),
});
const curve = [at(50, 0.95), at(100, 0.91), at(150, 0.9), at(200, 0.905), at(250, 0.93)];
const all = new Set(curve.map(({ step }) => step));
const sampled = (
  step: number,
  style: number,
  changes: Partial<SampledCheckpoint> = {},
): SampledCheckpoint => ({
  ...{ step, path: `checkpoints/step-${step}`, adapterSha256: shaOf('a'), heldOutLoss: 0.9 },
  ...{ style: metric(style, 0.01645), diversity: metric(0.9), copying: metric(0) },
  ...changes,
});

describe('checkpoints near the least held-out loss', () => {
  it('are those within one standard error of it', () => {
    expect(nearLeast(curve, all, 5)).toEqual([100, 150, 200]);
  });

  it('are only those that the Hub still holds', () => {
    expect(nearLeast(curve, new Set([100, 250]), 5)).toEqual([100]);
    expect(nearLeast(curve, new Set(), 5)).toEqual([]);
  });

  it('are told by what pictures differ from step to step, not from each other', () => {
    const sure = [at(50, 0.95, 0.001), at(100, 0.91, 0.001), at(150, 0.9), at(200, 0.905, 0.001)];
    expect(nearLeast(sure, all, 5)).toEqual([150]);
  });

  it('without an error are the best one alone', () => {
    expect(
      nearLeast(
        curve.map((point) => ({ ...point, pictures: [] })),
        all,
        5,
      ),
    ).toEqual([150]);
  });

  it('never are more than asked for, and always have the best among them', () => {
    const point = fc.record({
      step: fc.integer({ min: 1, max: 999 }),
      loss: fc.double({ min: 0.1, max: 2, noNaN: true }),
    });
    fc.assert(
      fc.property(
        fc.uniqueArray(point, { selector: (p) => p.step, minLength: 1, maxLength: 20 }),
        fc.integer({ min: 1, max: 5 }),
        (points, most) => {
          const losses = points.map((p) => ({ ...p, error: 0.3, pictures: [p.loss - 0.3, p.loss + 0.3] }));
          const chosen = nearLeast(losses, new Set(points.map((p) => p.step)), most);
          const least = losses.reduce((a, b) => (b.loss < a.loss ? b : a));
          expect(chosen.length).toBeLessThanOrEqual(most);
          expect(chosen).toContain(least.step);
          expect(chosen).toEqual([...chosen].sort((a, b) => a - b));
        },
      ),
    );
  });
});

describe('a training that was stopped early, or went on for too long', () => {
  const keptAfter = (losses: number[], newest: number) => {
    const measured = new Map<number, number>();
    let kept: CheckpointFolder[] = [];
    for (const [index, loss] of losses.entries()) {
      const step = 50 * (index + 1);
      measured.set(step, loss);
      const all = [{ folder: `checkpoints/step-${step}`, step, microStep: null, files: [] }, ...kept];
      const gone = dropped(all, { newest, every: null }, measured);
      kept = all.filter((one) => !gone.includes(one));
    }
    return new Set(kept.map(({ step }) => step));
  };
  const pointsOf = (losses: number[]) =>
    losses.map((loss, index) => ({ step: 50 * (index + 1), loss, error: null, pictures: [] }));

  it('is judged by its best checkpoint, not by the one that it stopped at', () => {
    const losses = [0.95, 0.9, 0.93, 0.96, 0.99];
    const kept = keptAfter(losses, 1);
    expect([...kept]).toEqual([250, 100]);
    expect(nearLeast(pointsOf(losses), kept, 3)).toEqual([100]);
  });

  it('still has that one, whatever came later: retention and choice agree', () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: 0.1, max: 2, noNaN: true }), { minLength: 1, maxLength: 20 }),
        fc.integer({ min: 1, max: 4 }),
        fc.integer({ min: 1, max: 5 }),
        (losses, newest, most) => {
          const best = 50 * (losses.indexOf(Math.min(...losses)) + 1);
          const kept = keptAfter(losses, newest);
          expect(kept).toContain(best);
          expect(nearLeast(pointsOf(losses), kept, most)).toContain(best);
        },
      ),
    );
  });
});

describe('the checkpoint that goes to the gate', () => {
  it('is the earliest within one standard error of the best score', () => {
    expect(earliestWinner([sampled(100, 0.16), sampled(150, 0.175), sampled(200, 0.18)])?.step).toBe(150);
  });

  it('is not one that copies, or paints one picture, however strong its style', () => {
    const copyist = sampled(50, 0.4, { copying: metric(0.9) });
    const collapsed = sampled(60, 0.4, { diversity: metric(0.02) });
    expect(earliestWinner([copyist, collapsed, sampled(150, 0.17)])?.step).toBe(150);
  });

  it('scores nothing where a figure is missing', () => {
    const unknown = { estimate: null, low: null, high: null, n: 0, method: '' };
    expect(scoreOf(sampled(1, 0.2, { style: unknown })).score).toBe(0);
  });
});
