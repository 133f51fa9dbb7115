import { describe, expect, it } from '@jest/globals';
import type { GateRule } from '../../../src/domain/config/gate-config.ts';
import { judgeRule } from '../../../src/domain/evaluation/gate.ts';
import { HUMAN_METRICS } from '../../../src/domain/evaluation/metrics.ts';
import { normalQuantile } from '../../../src/domain/evaluation/normal.ts';
import type { EvaluationReport, Metric } from '../../../src/domain/evaluation/report.ts';
import { metric, reportInTest, shaOf } from '../report-in-test.ts';

const rule = (change: Partial<GateRule> = {}): GateRule => ({
  ...{ metric: 'm', must: 'above', threshold: 0 },
  ...change,
});
const comparison = (name: 'production' | 'best', estimate: number) =>
  ({
    ...{ name, tag: 'v1', adapterSha256: shaOf('7'), metrics: { m: metric(estimate) } },
    slices: [{ genre: 'river', metrics: { m: metric(estimate + 0.5) } }],
  }) as unknown as NonNullable<EvaluationReport['comparisons']>[number];
/** A figure of its own at every place where a rule may look. */
const REPORT = reportInTest({
  metrics: { m: metric(1) },
  slices: [
    { genre: 'lake', metrics: { m: metric(2) } },
    { genre: 'river', metrics: { m: metric(3) } },
  ],
  comparisons: [comparison('production', 4), comparison('best', 5)],
  omitted: [
    { metric: 'other', reason: 'another reason' },
    { metric: 'left', reason: 'knows no words' },
    { metric: 'unsure', reason: 'no such model here', unchecked: true },
  ],
});
const HUMAN = HUMAN_METRICS.values().next().value as string;
const judge = (change: Partial<GateRule>, human?: Parameters<typeof judgeRule>[3]) =>
  judgeRule(rule(change), REPORT, 0.95, human);

describe('the figure that a rule is judged by', () => {
  it.each<[string, Partial<GateRule>, number]>([
    ['of the whole set, against the base', {}, 1],
    ['the same, said by name', { against: 'base' }, 1],
    ['of one slice alone', { slice: 'lake' }, 2],
    ['of another slice', { slice: 'river' }, 3],
    ['against one release', { against: 'production' }, 4],
    ['against another release', { against: 'best' }, 5],
    ['of a slice against a release', { against: 'best', slice: 'river' }, 5.5],
  ])('is that %s', (_, change, estimate) => {
    expect(judge(change)).toMatchObject({ estimate, outcome: 'pass' });
  });

  it('is missing, and fails, where there is no such slice, release or metric', () => {
    for (const change of [{ slice: 'sea' }, { against: 'best', slice: 'lake' }, { metric: 'n' }] as const)
      expect(judge(change)).toMatchObject({ outcome: 'fail', estimate: null });
    const alone = reportInTest({ metrics: { m: metric(1) } });
    for (const change of [{ against: 'best' }, { against: 'best', slice: 'river' }] as const)
      expect(judgeRule(rule(change), alone, 0.95)).toMatchObject({ outcome: 'fail', estimate: null });
  });

  it('by people is that of their votes on this opponent, never one of the report', () => {
    const votes = { votes: 9, raters: ['Ada'], selfAgreement: null };
    const human = {
      sheetSha256: shaOf('8'),
      opponents: [
        { against: 'base' as const, metrics: { [HUMAN]: metric(6) }, ...votes },
        { against: 'production' as const, metrics: { [HUMAN]: metric(7) }, ...votes },
      ],
    };
    const report = reportInTest({ metrics: { [HUMAN]: metric(1) } });
    const by = (against: 'base' | 'production' | 'best', given?: typeof human) =>
      judgeRule(rule({ metric: HUMAN, against }), report, 0.95, given);
    expect(by('base', human)).toMatchObject({ estimate: 6 });
    expect(by('production', human)).toMatchObject({ estimate: 7 });
    for (const unrated of [by('best', human), by('base')])
      expect(unrated).toMatchObject({
        ...{ metric: HUMAN, outcome: 'inconclusive', estimate: null },
        sentence: expect.stringContaining('not checked: nobody has rated pairs of it yet'),
      });
  });

  it('that was left out is missed with its own reason', () => {
    expect(judge({ metric: 'left' }).sentence).toBe('FAIL left: it was left out: knows no words.');
    expect(judge({ metric: 'none' }).sentence).toBe('FAIL none: it is missing from the report.');
    expect(judge({ metric: 'unsure' })).toMatchObject({
      ...{ metric: 'unsure', threshold: 0, outcome: 'inconclusive', low: null },
      sentence: 'INCONCLUSIVE unsure: not checked: no such model here.',
    });
  });

  it('is named with its slice and its opponent, the base without', () => {
    const named = (change: Partial<GateRule>) => judge(change).sentence.split(':')[0];
    expect(named({ against: 'base' })).toBe('PASS m');
    expect(named({ against: 'best', slice: 'river' })).toBe('PASS m of river against best');
  });
});

describe('bounds', () => {
  const about = (must: GateRule['must'], of: Metric, threshold = 0) =>
    judgeRule(rule({ must, threshold }), reportInTest({ metrics: { m: of } }), 0.95);
  const figure = (low: number | null, estimate: number | null, high: number | null): Metric =>
    ({ estimate, low, high, n: 4, method: '' }) as Metric;

  it('compared are the lower one with "above" and the upper one with "below"', () => {
    expect(about('above', figure(1, 2, 4))).toMatchObject({ bound: 1, outcome: 'pass' });
    expect(about('below', figure(-4, -2, -1))).toMatchObject({ bound: -1, outcome: 'pass' });
  });

  it('at the threshold itself do not pass, and fail from the other side', () => {
    expect(about('above', figure(0, 1, 2)).outcome).toBe('inconclusive');
    expect(about('above', figure(-2, -1, 0)).outcome).toBe('fail');
    expect(about('below', figure(-2, -1, 0)).outcome).toBe('inconclusive');
    expect(about('below', figure(0, 1, 2)).outcome).toBe('fail');
  });

  it('that are one point are bounds; those that are no numbers or upside down fail', () => {
    expect(about('above', figure(1, 1, 1)).outcome).toBe('pass');
    for (const bad of [
      figure(null, 1, 2),
      figure(1, null, 2),
      figure(1, 1, null),
      figure(2, 1, 1),
      figure(1, 2, Infinity),
      figure(1, Number.NaN, 2),
    ])
      expect(about('above', bad).outcome).toBe('fail');
  });

  it('say which true value would pass nine times in ten', () => {
    const reach = 1 + normalQuantile(0.9) / normalQuantile(0.95);
    const above = about('above', figure(1, 3, 9), 0.5).detectable;
    expect(above).toBeCloseTo(0.5 + 2 * reach, 4);
    const below = about('below', figure(-9, -3, -1), 0.5).detectable;
    expect(below).toBeCloseTo(0.5 - 2 * reach, 4);
  });
});
