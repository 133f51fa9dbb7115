import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { Trial } from '../../src/domain/search-space.ts';
import {
  chooseTrial,
  defaultParameters,
  MAX_INFEASIBLE_IN_A_ROW,
  nextStudyStep,
  settleTrial,
} from '../../src/domain/tuning.ts';

const trial = (number: number, value: number | null, state: Trial['state'] = 'complete'): Trial => ({
  number,
  parameters: { rank: 8 },
  state,
  value,
});

const anyTrials = fc
  .array(
    fc.record({
      value: fc.integer({ min: 0, max: 5 }),
      state: fc.constantFrom('complete', 'infeasible', 'running'),
    }),
  )
  .map((list) =>
    list.map((t, number) =>
      trial(number, t.state === 'complete' ? t.value : null, t.state as Trial['state']),
    ),
  );

describe('the chosen trial', () => {
  it('has the lowest held-out loss of the finished ones, whatever their order', () => {
    fc.assert(
      fc.property(anyTrials, (trials) => {
        const values = trials.flatMap((t) => (t.value === null ? [] : [t.value]));
        const chosen = chooseTrial([...trials].reverse());
        expect(chosen?.value ?? null).toBe(values.length === 0 ? null : Math.min(...values));
      }),
    );
  });

  it('is the earlier of two with the same loss', () => {
    expect(chooseTrial([trial(2, 0.5), trial(1, 0.5), trial(3, 0.5)])?.number).toBe(1);
  });

  it('is none when every trial was infeasible', () => {
    expect(chooseTrial([trial(0, null, 'infeasible')])).toBeNull();
  });
});

describe('a finished training', () => {
  it('settles its trial with the held-out loss', () => {
    expect(settleTrial(trial(4, null, 'running'), { heldOutLoss: 0.25 })).toEqual(trial(4, 0.25));
  });

  it.each([null, Number.NaN, Number.POSITIVE_INFINITY])(
    'is infeasible with a held-out loss of %p',
    (heldOutLoss) => {
      expect(settleTrial(trial(4, null, 'running'), { heldOutLoss })).toEqual(trial(4, null, 'infeasible'));
    },
  );
});

describe('a study', () => {
  const tuning = { strategy: 'gp' as const, trials: 6 };

  it('asks until its trials are used up', () => {
    const ask = (count: number) =>
      nextStudyStep({
        tuning,
        trials: Array.from({ length: count }, (_, n) => trial(n, 1)),
        gpuSeconds: [],
        budgetSeconds: null,
      }).next;
    expect([0, 5, 6, 7].map(ask)).toEqual(['ask', 'ask', 'stop', 'stop']);
  });

  it('is one trial long when the strategy is fixed', () => {
    const step = nextStudyStep({
      tuning: { strategy: 'fixed', trials: 9 },
      trials: [trial(0, 1)],
      gpuSeconds: [],
      budgetSeconds: null,
    });
    expect(step.next).toBe('stop');
  });

  it('stops when the budget would not cover another trial', () => {
    const step = (budgetSeconds: number) =>
      nextStudyStep({ tuning, trials: [trial(0, 1), trial(1, 1)], gpuSeconds: [100, 150], budgetSeconds })
        .next;
    expect([step(399), step(400)]).toEqual(['stop', 'ask']);
  });

  it('gives up after too many infeasible trials in a row, and counts from the last that finished', () => {
    const failed = (from: number, count: number) =>
      Array.from({ length: count }, (_, n) => trial(from + n, null, 'infeasible'));
    const step = (trials: Trial[]) =>
      nextStudyStep({ tuning: { strategy: 'tpe', trials: 50 }, trials, gpuSeconds: [], budgetSeconds: null })
        .next;
    expect(step(failed(0, MAX_INFEASIBLE_IN_A_ROW))).toBe('stop');
    expect(step([...failed(0, MAX_INFEASIBLE_IN_A_ROW - 1), trial(4, 1), ...failed(5, 1)])).toBe('ask');
  });

  it('starts from the values of the configuration itself', () => {
    expect(
      defaultParameters({ rank: {}, learningRate: {} }, { rank: 8, learningRate: 1e-3, steps: 3 }),
    ).toEqual({
      rank: 8,
      learningRate: 1e-3,
    });
  });
});
