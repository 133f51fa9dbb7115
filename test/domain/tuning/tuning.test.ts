import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { parseRunConfig } from '../../../src/domain/config/run-config.ts';
import { TuningConfig } from '../../../src/domain/config/tuning-config.ts';
import { SearchSpace, type Trial, type TrialReport } from '../../../src/domain/tuning/search-space.ts';
import { describeChoice } from '../../../src/domain/tuning/study-words.ts';
import {
  type Confirmation,
  chooseFinalist,
  chooseFinalists,
  newSeed,
} from '../../../src/domain/tuning/top-k.ts';
import { trialReport } from '../../../src/domain/tuning/trial-report.ts';
import {
  chooseTrial,
  defaultParameters,
  MAX_INFEASIBLE_IN_A_ROW,
  nextStudyStep,
  paretoFront,
  ranked,
  settleRung,
  trialsWithoutGain,
} from '../../../src/domain/tuning/tuning.ts';

const report = (values: number[], step = 40, violations: number[] = []): TrialReport => ({
  step,
  values,
  violations,
});

const trial = (number: number, value: number | null, state: Trial['state'] = 'complete'): Trial => ({
  number,
  parameters: { rank: 8 },
  state,
  value,
  reports: value === null ? [] : [report([value])],
  gpuSeconds: 0,
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
  it('has the lowest value of the finished ones, whatever their order', () => {
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

  it('is none when every trial was infeasible, or only waits at a rung', () => {
    expect(chooseTrial([trial(0, null, 'infeasible'), trial(1, 0.1, 'paused')])).toBeNull();
  });

  it('keeps to the limits where one does, however good the others are', () => {
    const broken = { ...trial(0, 0.1), reports: [report([0.1], 40, [0.02])] };
    expect(chooseTrial([broken, trial(1, 0.9)])?.number).toBe(1);
    expect(chooseTrial([broken])?.number).toBe(0);
  });

  it('with two goals comes from the Pareto front, nearest to the best of each', () => {
    const two = (number: number, values: [number, number]): Trial => ({
      ...trial(number, values[0]),
      reports: [report(values)],
    });
    const trials = [two(0, [0, 1]), two(1, [0.2, 0.2]), two(2, [1, 0]), two(3, [0.3, 0.3])];
    expect(paretoFront(trials).map((t) => t.number)).toEqual([0, 1, 2]);
    expect(chooseTrial(trials)?.number).toBe(1);
    expect(ranked(trials).at(-1)?.number).toBe(3);
  });

  it('of the front is never worse in every goal than another trial', () => {
    const pairs = fc.array(fc.tuple(fc.integer({ min: 0, max: 6 }), fc.integer({ min: 0, max: 6 })), {
      minLength: 1,
    });
    fc.assert(
      fc.property(pairs, (values) => {
        const trials = values.map(
          ([a, b], number): Trial => ({ ...trial(number, a), reports: [report([a, b])] }),
        );
        const [a = 0, b = 0] = chooseTrial(trials)?.reports.at(-1)?.values ?? [];
        expect(values.some(([x, y]) => x < a && y < b)).toBe(false);
      }),
    );
  });
});

describe('a stretch of training', () => {
  const running = trial(4, null, 'running');

  it('pauses its trial at a rung and completes it at the last one, keeping every rung', () => {
    const first = settleRung(running, { report: report([0.5], 10), gpuSeconds: 3 }, 40);
    expect(first).toMatchObject({ state: 'paused', value: 0.5, gpuSeconds: 3 });
    const last = settleRung(first, { report: report([0.25], 40), gpuSeconds: 9 }, 40);
    expect(last).toMatchObject({ state: 'complete', value: 0.25, gpuSeconds: 9 });
    expect(last.reports.map((r) => r.step)).toEqual([10, 40]);
  });

  it.each([[null], [report([Number.NaN])], [report([Number.POSITIVE_INFINITY])]])(
    'without finite figures makes it infeasible',
    (found) => {
      const settled = settleRung(running, { report: found, gpuSeconds: 1 }, 40);
      expect(settled).toMatchObject({ state: 'infeasible', value: null });
    },
  );
});

describe('a rung’s figures', () => {
  const measures = { style: 0.3, copying: 0.1, diversity: 0.8, adherence: null };
  const objective = (input: object) => TuningConfig.parse({ objective: input }).objective;

  it('turn goals so that lower is better, and limits so that above 0 is broken', () => {
    const found = trialReport({
      objective: objective({ goals: ['heldOutLoss', 'style'], maxCopying: 0.05, minDiversity: 0.9 }),
      step: 8,
      heldOutLoss: 0.6,
      measures,
    });
    expect(found?.values).toEqual([0.6, -0.3]);
    expect(found?.violations[0]).toBeCloseTo(0.05);
    expect(found?.violations[1]).toBeCloseTo(0.1);
  });

  it('are none where a goal or a limit was not measured', () => {
    const of = (input: object, heldOutLoss: number | null) =>
      trialReport({ objective: objective(input), step: 8, heldOutLoss, measures });
    expect(of({}, null)).toBeNull();
    expect(of({ minAdherence: 0.2 }, 0.5)).toBeNull();
    expect(of({}, 0.5)).toEqual(report([0.5], 8));
  });
});

describe('a study', () => {
  const tuning = TuningConfig.parse({ strategy: 'gp', trials: 6 });
  const step = (p: Partial<Parameters<typeof nextStudyStep>[0]>) =>
    nextStudyStep({ tuning, trials: [], spentSeconds: 0, dearestSeconds: 0, budgetSeconds: null, ...p });
  const losses = (...values: number[]) => values.map((value, number) => trial(number, value));

  it('ends with as many trials as were wanted, and with a pruner goes on to promote', () => {
    const ask = (count: number) => step({ trials: losses(...Array.from({ length: count }, () => 1)) }).next;
    expect([0, 5, 6, 7].map(ask)).toEqual(['ask', 'ask', 'stop', 'stop']);
    const pruned = { ...tuning, pruner: 'asha' as const };
    expect(step({ tuning: pruned, trials: losses(1, 1, 1, 1, 1, 1) })).toMatchObject({
      next: 'ask',
      mayStart: false,
    });
  });

  it('is one trial long when the strategy is fixed', () => {
    expect(step({ tuning: { ...tuning, strategy: 'fixed' }, trials: losses(1) }).next).toBe('stop');
  });

  it('stops when the budget would not cover another stretch as dear as the dearest', () => {
    const at = (budgetSeconds: number) =>
      step({ spentSeconds: 250, dearestSeconds: 150, budgetSeconds }).next;
    expect([399, 400].map(at)).toEqual(['stop', 'ask']);
  });

  it('gives up after too many infeasible trials in a row, and counts from the last that trained', () => {
    const failed = (from: number, count: number) =>
      Array.from({ length: count }, (_, n) => trial(from + n, null, 'infeasible'));
    const long = { ...tuning, trials: 50 };
    const of = (trials: Trial[]) => step({ tuning: long, trials }).next;
    expect(of(failed(0, MAX_INFEASIBLE_IN_A_ROW))).toBe('stop');
    expect(of([...failed(0, MAX_INFEASIBLE_IN_A_ROW - 1), trial(4, 1), ...failed(5, 1)])).toBe('ask');
  });

  it('stops when its patience is used up without a worthwhile gain', () => {
    const patient = { ...tuning, trials: 50, patience: 3, worthwhileGain: 0.01 };
    expect(step({ tuning: patient, trials: losses(1, 0.999, 1.2, 0.998) }).next).toBe('stop');
    expect(step({ tuning: patient, trials: losses(1, 0.999, 1.2, 0.9) }).next).toBe('ask');
    expect(step({ tuning: { ...patient, patience: null }, trials: losses(1, 2, 3, 4, 5, 6) }).next).toBe(
      'ask',
    );
  });

  it('counts trials since the last gain by the lowest rung, which all of them reached', () => {
    const late = { ...trial(1, 0.1), reports: [report([0.9], 10), report([0.1], 40)] };
    expect(trialsWithoutGain([{ ...trial(0, 0.5), reports: [report([0.5], 10)] }, late], 0)).toBe(1);
  });

  it('starts from the values of the configuration itself, where they are searched', () => {
    const rank = { kind: 'categorical', choices: [8, 16] };
    const space = SearchSpace.parse({
      rank,
      alpha: { kind: 'int', low: 1, high: 9, when: { field: 'rank', in: [16] } },
    });
    expect(defaultParameters(space, { rank: 8, alpha: 4, steps: 3 })).toEqual({ rank: 8 });
    expect(defaultParameters(space, { rank: 16, alpha: 4, steps: 3 })).toEqual({ rank: 16, alpha: 4 });
  });
});

describe('finalists', () => {
  const tuning = TuningConfig.parse({ finalists: 3, seeds: 2 });
  const again = (number: number, seed: number, value: number | null): Confirmation => ({
    trial: number,
    seed,
    value,
    gpuSeconds: 1,
  });
  const trials = [trial(0, 0.4), trial(1, 0.3), trial(2, 0.5), trial(3, 0.2), trial(4, 0.1, 'paused')];

  it('are the best whole trials within the limits, and none where there is nothing to choose between', () => {
    expect(chooseFinalists(trials, tuning).map((t) => t.number)).toEqual([3, 1, 0]);
    expect(chooseFinalists([trial(0, 1)], tuning)).toEqual([]);
    expect(chooseFinalists(trials, { ...tuning, seeds: 0 })).toEqual([]);
  });

  it('are compared over new seeds alone, those that all of them had', () => {
    const finalists = chooseFinalists(trials, tuning);
    const all = [again(3, 7, 0.5), again(1, 7, 0.4), again(0, 7, 0.45), again(3, 8, 0.01)];
    expect(chooseFinalist(finalists, all)?.number).toBe(1);
    expect(chooseFinalist(finalists, [])?.number).toBe(3);
    expect(chooseFinalist(finalists, [...all, again(1, 8, null), again(0, 8, 0.4)])?.number).toBe(3);
  });

  it('get seeds that differ from each other and from the run’s', () => {
    const seeds = [0, 1, 2, 3].map((index) => newSeed(2 ** 31 - 1, index));
    expect(new Set(seeds).size).toBe(4);
    expect(seeds.every((seed) => seed >= 0 && seed < 2 ** 31)).toBe(true);
  });

  it('are spoken of with how sure the choice is', () => {
    const chosen = chooseTrial(trials);
    if (chosen === null) throw new Error('no trial');
    const said = (probability: number | null) =>
      describeChoice({
        chosen,
        trials,
        confirmations: [],
        insight: {
          importances: [],
          certainty: [{ rival: 1, meanDifference: 0.02, probability, seeds: 2 }],
          rankAgreement: [],
        },
      });
    expect(said(0.81)).toContain('81 % sure');
    expect(said(null)).toContain('one seed says nothing about the noise');
    expect(describeChoice({ chosen, trials, confirmations: [], insight: null })).toContain(
      'not trained again',
    );
  });
});

describe('the tuning configuration', () => {
  const problems = (tuning: object) => {
    const parsed = parseRunConfig({ profile: 'a100', tuning });
    return parsed.ok ? [] : parsed.problems.map(({ field, problem }) => `${field}: ${problem}`);
  };

  it('names every option that a strategy or a pruner does not have or cannot take', () => {
    const found = problems({
      strategy: 'gp',
      strategyOptions: { firstPoints: -1, sigma: 1 },
      pruner: 'asha',
      prunerOptions: { reductionFactor: 1 },
    });
    expect(found.map((line) => line.split(':')[0])).toEqual(
      expect.arrayContaining([
        'tuning.strategyOptions.firstPoints',
        'tuning.strategyOptions.sigma',
        'tuning.prunerOptions.reductionFactor',
      ]),
    );
  });

  it('refuses conditions in a circle or on a field that is not searched', () => {
    const float = { kind: 'float', low: 0, high: 1 };
    expect(problems({ space: { ema: { ...float, when: { field: 'rank', in: [8] } } } })[0]).toContain(
      'tuning.space.ema.when.field: expected a field of the same space, got rank',
    );
    const circle = problems({
      space: {
        ema: { ...float, when: { field: 'captionDropout', in: [0] } },
        captionDropout: { ...float, when: { field: 'ema', in: [0] } },
      },
    });
    expect(circle[0]).toContain('expected no circle');
  });

  it('refuses own trials that could not be trained, and two goals where rungs rank by one', () => {
    expect(problems({ enqueue: [{ rank: 0 }] })[0]).toContain('tuning.enqueue.0.rank');
    expect(problems({ enqueue: [{ ema: 0.9 }] })[0]).toContain('expected a field of tuning.space');
    expect(problems({ pruner: 'asha', objective: { goals: ['heldOutLoss', 'style'] } })[0]).toContain(
      'tuning.pruner',
    );
  });

  it('takes a search space as a whole instead of mixing it with the profile’s', () => {
    const parsed = parseRunConfig({ tuning: { space: { ema: { kind: 'float', low: 0, high: 0.99 } } } });
    expect(parsed.ok && Object.keys(parsed.value.tuning.space)).toEqual(['ema']);
  });
});
