import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { GateRule } from '../../../src/domain/config/gate-config.ts';
import { parseRunConfig } from '../../../src/domain/config/run-config.ts';
import { anchoredRules, anchorsOf } from '../../../src/domain/evaluation/anchors.ts';
import { futility, nextOf } from '../../../src/domain/evaluation/futility.ts';
import { decide, Verdict } from '../../../src/domain/evaluation/gate.ts';
import {
  gateReference,
  gateRules,
  rulesLeftOut,
  rulesText,
} from '../../../src/domain/evaluation/gate-rules.ts';
import { lookConfidence } from '../../../src/domain/evaluation/ledger.ts';
import { loosened } from '../../../src/domain/evaluation/loosened.ts';
import { normalQuantile } from '../../../src/domain/evaluation/normal.ts';
import type { EvaluationReport, Metric } from '../../../src/domain/evaluation/report.ts';
import { PROMPT_SETS } from '../../../src/domain/evaluation/sample-set.ts';
import { EXPECTED, GOOD, metric, RULES, reportInTest, shaOf } from '../report-in-test.ts';

const judge = (report: unknown, rules: readonly GateRule[] = RULES, expected = EXPECTED) =>
  decide({ report, rules, confidence: 0.95, expected });
const withMetrics = (metrics: Record<string, Metric>) => reportInTest({ metrics: { ...GOOD, ...metrics } });
const value = fc.double({ min: -2, max: 2, noNaN: true });
const anyMetric: fc.Arbitrary<Metric> = fc
  .tuple(value, value, value)
  .map((three) => [...three].sort((a, b) => a - b))
  .map(([low, estimate, high]) => ({
    estimate: estimate as number,
    low: low as number,
    high: high as number,
    n: 4,
    method: '',
  }));
const rule = (must: 'above' | 'below', threshold: number): GateRule => ({ metric: 'm', must, threshold });
const order = { FAIL: 0, INCONCLUSIVE: 1, PASS: 2 };

describe('the gate', () => {
  it('says PASS when every bound holds, and names what it judged', () => {
    const verdict = judge(reportInTest());
    expect(verdict.verdict).toBe('PASS');
    expect(verdict).toMatchObject({ adapterSha256: shaOf('a'), reportSha256: shaOf('e'), problems: [] });
    expect(Verdict.parse(JSON.parse(JSON.stringify(verdict)))).toEqual(verdict);
  });

  it('says FAIL when a whole interval is on the wrong side', () => {
    expect(judge(withMetrics({ 'kid.improvement': metric(-0.2) })).verdict).toBe('FAIL');
    expect(judge(withMetrics({ 'copying.copies': metric(1, 0) })).verdict).toBe('FAIL');
  });

  it('says INCONCLUSIVE when the estimate is right and its bound is not', () => {
    expect(judge(withMetrics({ 'style.marginGain': metric(0.1, 0.2) })).verdict).toBe('INCONCLUSIVE');
  });

  it('says FAIL to an adapter without effect, whose gains are exactly 0', () => {
    const none = metric(0, 0);
    const verdict = judge(
      withMetrics({ 'effect.pixels': none, 'kid.improvement': none, 'style.marginGain': none }),
    );
    expect(verdict.verdict).toBe('FAIL');
    expect(verdict.rules.filter((r) => r.outcome === 'fail').map((r) => r.metric)).toEqual([
      'effect.pixels',
      'kid.improvement',
      'style.marginGain',
    ]);
  });

  it('says FAIL to one broken picture', () => {
    expect(judge(withMetrics({ 'integrity.broken': metric(1, 0) })).verdict).toBe('FAIL');
  });

  it('tells each rule in a sentence with estimate, bounds and threshold', () => {
    const verdict = judge(withMetrics({ 'kid.improvement': metric(-0.2) }));
    expect(verdict.rules.find((r) => r.metric === 'kid.improvement')?.sentence).toBe(
      'FAIL kid.improvement: -0.2 [-0.21, -0.19] over 4 pictures; asked: lower bound above 0.',
    );
  });

  it.each(RULES.filter((r) => r.against === undefined).map((r) => r.metric))(
    'never says PASS when %s is missing',
    (name) => {
      const { [name]: _, ...metrics } = GOOD;
      expect(judge(reportInTest({ metrics })).verdict).toBe('FAIL');
    },
  );

  it.each(['estimate', 'low', 'high'] as const)('never says PASS when %s could not be had', (part) => {
    const verdict = judge(withMetrics({ 'kid.improvement': { ...metric(0.4), [part]: null } }));
    expect(verdict.verdict).toBe('FAIL');
  });

  it('gives the reason of a metric that the profile leaves out', () => {
    const verdict = judge(reportInTest(), [...RULES, { metric: 'adherence', must: 'above', threshold: 0 }]);
    expect(verdict.verdict).toBe('FAIL');
    expect(verdict.rules.at(-1)?.sentence).toBe('FAIL adherence: it was left out: knows no words.');
  });

  it('does not find a metric in what every object inherits', () => {
    expect(judge(reportInTest(), [{ metric: 'constructor', must: 'above', threshold: 0 }]).verdict).toBe(
      'FAIL',
    );
  });

  const wrong: [string, Partial<EvaluationReport>][] = [
    ['another adapter', { adapterSha256: shaOf('9') }],
    ['another sample set', { samples: { ...reportInTest().samples, setSha256: shaOf('9') } }],
    ['fewer pictures', { samples: { ...reportInTest().samples, count: 3 } }],
    ['figures for fewer pictures', { perSample: reportInTest().perSample.slice(1) }],
    ['another encoder', { encoder: { ...reportInTest().encoder, name: 'other' } }],
    ['a lower confidence', { confidence: 0.9 }],
    ['the split that choices read', { dataset: { ...reportInTest().dataset, reference: 'held_out' } }],
    [
      'a file that choices read',
      {
        dataset: { ...reportInTest().dataset, files: { 'data/held_out-00000-of-00001.parquet': shaOf('9') } },
      },
    ],
  ];
  it.each(wrong)('says FAIL to a report about %s, however good its figures', (_, changes) => {
    const verdict = judge(reportInTest(changes));
    expect(verdict.verdict).toBe('FAIL');
    expect(verdict.problems).toHaveLength(1);
    expect(verdict.rules.every((r) => r.outcome === 'pass')).toBe(true);
  });

  it('says FAIL to anything that is not a report', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (report) => {
        expect(judge(report).verdict).toBe('FAIL');
      }),
    );
  });

  it('never says PASS to bounds the wrong way round, whatever the rule', () => {
    for (const must of ['above', 'below'] as const) {
      const m = { estimate: 0, low: 1, high: -1, n: 4, method: '' };
      const [outcome] = judge(reportInTest({ metrics: { m } }), [rule(must, 0)]).rules;
      expect(outcome).toMatchObject({ outcome: 'fail' });
      expect(outcome?.sentence).toContain('its lower bound is above its upper bound');
    }
  });

  it('is INCONCLUSIVE about what could not be checked here, and fails what is missing without a reason', () => {
    const asked = [rule('above', -9), { metric: 'parity.deployed', must: 'below', threshold: 1 } as const];
    const m = metric(0);
    const entry = { metric: 'parity.deployed', reason: 'it does not fit this GPU' };
    const unchecked = reportInTest({ metrics: { m }, omitted: [{ ...entry, unchecked: true }] });
    const verdict = judge(unchecked, asked);
    expect(verdict.verdict).toBe('INCONCLUSIVE');
    expect(verdict.rules[1]?.sentence).toContain('not checked: it does not fit this GPU');
    expect(judge(reportInTest({ metrics: { m }, omitted: [entry] }), asked).verdict).toBe('FAIL');
  });

  it('gives no PASS with a confidence below 0.8 over all looks, and says so', () => {
    const at = (confidence: number, looks: number) =>
      decide({ report: reportInTest(), rules: RULES, confidence, expected: { ...EXPECTED, looks } });
    expect(at(0.95, 2).verdict).toBe('PASS');
    expect(at(0.79, 1)).toMatchObject({ verdict: 'INCONCLUSIVE' });
    // Each look at 0.88 leaves 0.76 for both.
    expect(at(0.88, 2).verdict).toBe('INCONCLUSIVE');
    expect(at(0.88, 2).loosened?.join()).toContain('no PASS is given with it');
  });

  it('names every default rule that a run leaves out or asks less of, and none that it asks more of', () => {
    const verdict = judge(reportInTest(), RULES, { ...EXPECTED, loosened: loosened([], RULES) });
    expect(verdict.loosened).toHaveLength(RULES.length);
    expect(loosened(RULES, RULES)).toEqual([]);
    const moved = (by: number) =>
      RULES.map((one) => ({ ...one, threshold: one.threshold + (one.must === 'above' ? by : -by) }));
    expect(loosened(moved(0.01), RULES)).toEqual([]);
    expect(loosened(moved(-0.01), RULES)).toHaveLength(RULES.length);
  });

  it('says FAIL without rules: nothing would be proved', () => {
    expect(judge(reportInTest(), []).verdict).toBe('FAIL');
  });
});

describe('rules against releases', () => {
  const production = { name: 'production' as const, tag: 'v3', adapterSha256: shaOf('7') };
  const comparison = (gain: Metric, sha = production.adapterSha256) => ({
    ...{ name: 'production' as const, tag: 'v3', adapterSha256: sha, manifestSha256: shaOf('8') },
    metrics: { 'style.marginGain': gain },
    slices: [{ genre: 'sealed', metrics: { 'style.marginGain': gain } }],
  });
  const against: GateRule = {
    ...{ metric: 'style.marginGain', must: 'above', threshold: -0.08, against: 'production' },
  };
  const rules = [against, { metric: 'effect.pixels', must: 'above' as const, threshold: 0 }];
  const withRival = { ...EXPECTED, rivals: [production] };

  it('pass a candidate that is no worse than production by more than the margin', () => {
    const verdict = judge(reportInTest({ comparisons: [comparison(metric(-0.02))] }), rules, withRival);
    expect(verdict.verdict).toBe('PASS');
    expect(verdict.rules[0]).toMatchObject({ bound: -0.03, threshold: -0.08, against: 'production' });
    expect(verdict.rivals).toEqual([production]);
  });

  it('fail one that is worse, and one that is worse on a slice', () => {
    const report = reportInTest({ comparisons: [comparison(metric(-0.2))] });
    expect(judge(report, rules, withRival).verdict).toBe('FAIL');
    expect(judge(report, [{ ...against, slice: 'sealed' }], withRival).rules[0]?.sentence).toContain(
      'style.marginGain of sealed against production',
    );
    expect(judge(report, [{ ...against, slice: 'night' }], withRival).verdict).toBe('FAIL');
  });

  it('say nothing about a first release, openly', () => {
    const verdict = judge(reportInTest(), rules);
    expect(verdict.verdict).toBe('PASS');
    expect(verdict.notApplicable?.[0]).toContain('style.marginGain against production');
    expect(judge(reportInTest(), [against]).verdict).toBe('FAIL');
  });

  it('call a comparison stale when somebody else is in production by now, and never PASS it', () => {
    const stale = reportInTest({ comparisons: [comparison(metric(0.5), shaOf('6'))] });
    for (const report of [stale, reportInTest()]) {
      const verdict = judge(report, rules, withRival);
      expect(verdict).toMatchObject({ verdict: 'FAIL', stale: true });
    }
    expect(judge(reportInTest({ adapterSha256: shaOf('9') }), rules, withRival).stale).toBe(false);
  });
});

describe('the power that a rule reports', () => {
  it('is the true value that passes nine times in ten', () => {
    const m = { ...metric(0.5), low: 0.5 - 1.6448536 * 0.1, high: 0.5 + 1.6448536 * 0.1 };
    const [outcome] = judge(reportInTest({ metrics: { m } }), [rule('above', 0.2)]).rules;
    // Standard error 0.1: the bound must clear 0.2, and the estimate be within 1.2816 errors of the truth.
    expect(outcome?.detectable).toBeCloseTo(0.2 + (1.6448536 + 1.2815516) * 0.1, 4);
  });

  it('rests on quantiles that are those of the tables', () => {
    for (const [p, z] of [
      [0.5, 0],
      [0.9, 1.2815515655],
      [0.95, 1.644853627],
      [0.975, 1.9599639845],
      [0.01, -2.326347874],
    ])
      expect(normalQuantile(p as number)).toBeCloseTo(z as number, 8);
  });
});

describe('looks', () => {
  const nothing = { stale: false, rules: [], confidence: 0.98 };
  const undecided = { verdict: 'INCONCLUSIVE' as const, ...nothing };

  it('are no more than were planned: the last one leaves nothing to ask for', () => {
    expect(nextOf(undecided, 1, 2)).toEqual({ next: 'look' });
    expect(nextOf(undecided, 2, 2)).toEqual({});
    expect(nextOf({ ...nothing, verdict: 'PASS' }, 1, 2)).toEqual({});
    expect(nextOf({ ...nothing, verdict: 'FAIL' }, 1, 2)).toEqual({});
    expect(nextOf({ ...nothing, verdict: 'FAIL', stale: true }, 2, 2)).toEqual({ next: 'measure-again' });
  });

  const open = (estimate: number | null, reach: number) => ({
    ...{ metric: 'm', must: 'above' as const, threshold: 0, outcome: 'inconclusive' as const, sentence: '' },
    estimate,
    low: estimate === null ? null : estimate - reach,
    high: estimate === null ? null : estimate + reach,
  });
  const openWith = (...rules: ReturnType<typeof open>[]) => ({ ...undecided, rules });

  it('end early where a further one would hardly ever make a PASS', () => {
    expect(nextOf(openWith(open(1, 1.1)), 1, 2)).toEqual({ next: 'look' });
    expect(nextOf(openWith(open(-0.1, 1)), 1, 2)).toEqual({});
    expect(futility(openWith(open(1, 1.1), open(-0.1, 1)), 1, 2)).toMatch(/^FUTILE m: .* in 1 % of cases/);
    // What this machine cannot check, more pictures do not check either.
    expect(nextOf(openWith(open(null, 0)), 1, 2)).toEqual({});
    expect(futility(openWith(open(-0.1, 1)), 2, 2)).toBeNull();
  });

  it('are not given up for what a candidate with a good chance may show', () => {
    // The true value is one that the gate is to pass nine times in ten: two standard errors and a third above the threshold.
    const chance = (ahead: number) => futility(openWith(open(ahead, 2.054)), 1, 2) === null;
    expect([2, 1.5, 1, 0.5].map(chance)).toEqual([true, true, true, true]);
    expect([0.2, 0, -1].map(chance)).toEqual([false, false, false]);
  });

  it('and confidence are pinned with the rules before training', () => {
    const pinned = rulesText({ confidence: 0.95, looks: 2 }, RULES);
    expect(rulesText({ confidence: 0.95, looks: 3 }, RULES)).not.toBe(pinned);
    expect(rulesText({ confidence: 0.9, looks: 2 }, RULES)).not.toBe(pinned);
    expect(rulesText({ confidence: 0.95, looks: 2 }, RULES.slice(1))).not.toBe(pinned);
  });

  it('share the error among them, so that all together err no more often', () => {
    expect(lookConfidence({ confidence: 0.95, looks: 1 })).toBeCloseTo(0.96, 12);
    expect(lookConfidence({ confidence: 0.95, looks: 2 })).toBeCloseTo(0.98, 12);
    expect(lookConfidence({ confidence: 0.9, looks: 5 })).toBeCloseTo(0.984, 12);
  });
});

describe('the most that any release had', () => {
  const release = (tag: string, low: number) => ({
    tag,
    metrics: { 'diversity.vendi': { estimate: low + 0.1, low, high: low + 0.2, n: 1, method: '' } },
  });

  it('bounds each next one, so that no figure creeps down release by release', () => {
    const rules = [
      { metric: 'diversity.vendi', must: 'above' as const, threshold: 0.8, against: 'best' as const },
      { metric: 'diversity.vendi', must: 'above' as const, threshold: 0.35 },
    ];
    let releases = [release('v1', 0.55)];
    for (let n = 2; n < 40; n += 1) {
      const [anchored] = anchoredRules(rules, anchorsOf(releases));
      const next = 0.95 * (releases.at(-1)?.metrics['diversity.vendi'].low ?? 0);
      // Each is "no worse" than the one before it; the anchor is the first.
      if (next > (anchored?.threshold ?? 0)) releases = [...releases, release(`v${n}`, next)];
    }
    expect(releases.length).toBeGreaterThan(2);
    expect(releases.at(-1)?.metrics['diversity.vendi'].low).toBeGreaterThan(0.8 * 0.55);
    expect(anchorsOf(releases)).toEqual([{ metric: 'diversity.vendi', tag: 'v1', low: 0.55 }]);
  });

  it('is judged beside the rules that were pinned, and stands in the verdict', () => {
    const vendi = { estimate: 0.41, low: 0.4, high: 0.42, n: 120, method: '' };
    const rules = [
      { metric: 'diversity.vendi', must: 'above' as const, threshold: 0.35 },
      { metric: 'diversity.vendi', must: 'above' as const, threshold: 0.8, against: 'best' as const },
    ];
    const anchors = [{ metric: 'diversity.vendi', tag: 'v1', low: 0.55 }];
    const report = reportInTest({ metrics: { 'diversity.vendi': vendi } });
    expect(judge(report, rules).verdict).toBe('PASS');
    const verdict = judge(report, rules, { ...EXPECTED, anchors });
    expect(verdict.verdict).toBe('FAIL');
    expect(verdict.anchors).toEqual(anchors);
    expect(verdict.rules.map(({ outcome, threshold }) => [outcome, threshold])).toEqual([
      ['pass', 0.35],
      ['fail', 0.44],
    ]);
  });
});

describe('a rule, whatever the figures', () => {
  it('passes exactly when its bound is strictly on the right side, and fails exactly when no part is', () => {
    fc.assert(
      fc.property(anyMetric, fc.constantFrom('above', 'below'), value, (m, must, threshold) => {
        const verdict = judge(reportInTest({ metrics: { m } }), [rule(must as 'above', threshold)]).verdict;
        const low = m.low as number;
        const high = m.high as number;
        const pass = must === 'above' ? low > threshold : high < threshold;
        const fail = must === 'above' ? high <= threshold : low >= threshold;
        expect(verdict).toBe(pass ? 'PASS' : fail ? 'FAIL' : 'INCONCLUSIVE');
      }),
    );
  });

  it('never gets better when its threshold gets stricter', () => {
    fc.assert(
      fc.property(
        anyMetric,
        fc.constantFrom('above', 'below'),
        value,
        fc.double({ min: 0, max: 2, noNaN: true }),
        (m, must, threshold, step) => {
          const at = (t: number) =>
            order[judge(reportInTest({ metrics: { m } }), [rule(must as 'above', t)]).verdict];
          const stricter = must === 'above' ? threshold + step : threshold - step;
          expect(at(stricter)).toBeLessThanOrEqual(at(threshold));
        },
      ),
    );
  });

  it('never makes a verdict better by being added', () => {
    fc.assert(
      fc.property(anyMetric, anyMetric, value, value, (m, k, first, second) => {
        const report = reportInTest({ metrics: { m, k } });
        const rules: GateRule[] = [rule('above', first), { metric: 'k', must: 'below', threshold: second }];
        expect(order[judge(report, rules).verdict]).toBeLessThanOrEqual(
          order[judge(report, rules.slice(0, 1)).verdict],
        );
      }),
    );
  });
});

describe('the rules of a run', () => {
  const config = (input: unknown) => {
    const parsed = parseRunConfig(input);
    if (!parsed.ok) throw new Error(JSON.stringify(parsed.problems));
    return parsed.value;
  };

  it("are its encoder's when it names none", () => {
    expect(gateRules(config({}))).toEqual(expect.arrayContaining([...RULES]));
  });

  it.each(['tiny-v1', 'tiny-v2', 'standard-v1', 'standard-v2'] as const)(
    'leave no prompt of %s without one: every slice is asked for content and look',
    (promptSet) => {
      const rules = gateRules(config({ evaluation: { promptSet } }));
      const slices = new Set(PROMPT_SETS[promptSet].map((prompt) => prompt.slice));
      for (const metric of ['content.shown', 'appearance.outside', 'appearance.wayUp', 'appearance.hues'])
        expect(new Set(rules.flatMap((r) => (r.metric === metric && r.slice ? [r.slice] : [])))).toEqual(
          slices,
        );
      const gained = rules.flatMap((r) => (r.metric === 'style.winRate' && r.slice ? [r.slice] : []));
      expect(gained).toEqual([...slices].filter((slice) => slice !== 'trigger-free'));
      expect(rules.some((r) => r.metric === 'style.leak')).toBe(slices.has('trigger-free'));
      expect(rules.some((r) => r.slice === 'sealed')).toBe(promptSet.endsWith('v2'));
    },
  );

  it('measure against test paintings, or where a set spares none, openly against held-out ones', () => {
    expect(gateReference(config({}))).toBe('test');
    const small = config({ dataset: { testFraction: 0 } });
    expect(gateReference(small)).toBe('held_out');
    expect(rulesLeftOut(small).join()).toContain('paintings that the checkpoint was chosen by');
    expect(rulesLeftOut(config({}))).toEqual([]);
  });

  it('grow by those of every model that is named', () => {
    const models = { clip: 'openai/clip-vit-large-patch14', preference: 'yuvalkirstain/PickScore_v1' };
    const metrics = gateRules(config({ evaluation: { models } })).map((r) => r.metric);
    expect(metrics).toEqual(expect.arrayContaining(['adherence.clipGain', 'preference.winRate']));
    expect(metrics).not.toContain('adherence.vqaGain');
  });

  it('do without the style margin where no other style is there, and the verdict says so', () => {
    const alone = config({ dataset: { neighborsPerStyle: 0 } });
    expect(gateRules(alone).map((r) => r.metric)).not.toContain('style.marginGain');
    expect(gateRules(alone).map((r) => r.metric)).toContain('kid.improvement');
    expect(rulesLeftOut(alone)).toEqual([expect.stringMatching(/^style\.marginGain: not judged/)]);
    expect(rulesLeftOut(config({}))).toEqual([]);
  });

  it('are its own when it names some', () => {
    const rules = [{ metric: 'kid.improvement', must: 'above' as const, threshold: 1 }];
    expect(gateRules(config({ gate: { rules } }))).toEqual(rules);
  });
});
