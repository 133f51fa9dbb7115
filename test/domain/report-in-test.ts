import type { GateRule } from '../../src/domain/config/gate-config.ts';
import type { Expected } from '../../src/domain/evaluation/gate.ts';
import { DEFAULT_RULES } from '../../src/domain/evaluation/gate-rules.ts';
import type { EvaluationReport, Metric } from '../../src/domain/evaluation/report.ts';
import { Sha256 } from '../../src/domain/refs.ts';

/** A sha256 of one digit repeated. */
export const shaOf = (digit: string) => Sha256.parse(digit.repeat(64));

/** A figure whose bounds lie `reach` to each side. */
export const metric = (estimate: number, reach = 0.01): Metric => ({
  estimate,
  low: estimate - reach,
  high: estimate + reach,
  n: 4,
  method: 'in test',
});

/** A figure on the right side of every one of some thresholds of one metric. */
function beyond(rules: readonly GateRule[]): Metric {
  const above = rules.filter((rule) => rule.must === 'above').map((rule) => rule.threshold);
  if (above.length > 0) return metric(Math.max(...above) + 0.3);
  const low = Math.min(...rules.map((rule) => rule.threshold));
  // What must stay low is a share or a difference: none of it where that is allowed.
  return low > 0 ? metric(0, Math.min(0.01, low / 2)) : metric(low - 0.1);
}

function figuresFor(rules: readonly GateRule[]): Record<string, Metric> {
  const names = [...new Set(rules.map((rule) => rule.metric))];
  return Object.fromEntries(names.map((name) => [name, beyond(rules.filter((r) => r.metric === name))]));
}

function slicesFor(rules: readonly GateRule[]): EvaluationReport['slices'] {
  const names = [...new Set(rules.flatMap(({ slice }) => (slice === undefined ? [] : [slice])))];
  return names.map((genre) => ({ genre, metrics: figuresFor(rules.filter((rule) => rule.slice === genre)) }));
}

/** Made-up figures that pass these rules, where each of them looks: in the report and in comparisons with releases. */
export function passing(rules: readonly GateRule[]) {
  const parts = (of: readonly GateRule[]) => ({
    metrics: figuresFor(of.filter((rule) => rule.slice === undefined)),
    slices: slicesFor(of),
  });
  const isAgainstBase = ({ against }: GateRule) => against === undefined || against === 'base';
  return {
    report: parts(rules.filter(isAgainstBase)),
    comparison: parts(rules.filter((rule) => !isAgainstBase(rule))),
  };
}

/** The default rules of the ImageNet encoder. */
export const RULES = DEFAULT_RULES['efficientnet-lite0'];

/** Figures that pass every one of them. */
export const GOOD = passing(RULES).report.metrics;

/** A whole report of four pictures, with other metrics where wanted. */
export function reportInTest(changes: Partial<EvaluationReport> = {}): EvaluationReport {
  const ids = ['a-01-s0', 'a-01-s1', 'b-01-s0', 'b-01-s1'];
  return {
    format: 1,
    encoder: {
      name: 'efficientnet-lite0',
      package: 'p 1',
      weightsSha256: shaOf('1'),
      dimensions: 1280,
      side: 128,
    },
    adapterSha256: shaOf('a'),
    samples: {
      setSha256: shaOf('b'),
      count: ids.length,
      prompts: 2,
      candidateManifestSha256: shaOf('c'),
      baseManifestSha256: shaOf('d'),
    },
    dataset: { train: 40, unseen: 20, reference: 'test', neighbors: 30, files: {} },
    confidence: 0.95,
    seed: 0,
    metrics: GOOD,
    slices: [],
    omitted: [{ metric: 'adherence', reason: 'knows no words' }],
    faults: { candidate: {}, base: {} },
    perSample: ids.map((id) => ({
      id,
      promptId: id.slice(0, 4),
      genre: 'landscape',
      styleMargin: 0.2,
      baseStyleMargin: -0.1,
      nearestStyle: 'Cubism',
      pixelChange: 0.1,
      nearestTrain: '0'.repeat(16),
      nearestTrainCosine: 0.5,
      nearestUnseen: '1'.repeat(16),
      nearestUnseenCosine: 0.5,
      fault: null,
      baseFault: null,
    })),
    closest: [],
    ...changes,
  };
}

/** What the report in test is about. */
export const EXPECTED: Expected = {
  reportSha256: shaOf('e'),
  adapterSha256: shaOf('a'),
  sampleSetSha256: shaOf('b'),
  samples: 4,
  encoder: 'efficientnet-lite0',
  reference: 'test',
  rivals: [],
};
