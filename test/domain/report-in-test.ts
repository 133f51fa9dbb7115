import type { EvaluationReport, Metric } from '../../src/domain/evaluation-report.ts';
import type { Expected } from '../../src/domain/gate.ts';
import { DEFAULT_RULES } from '../../src/domain/gate-rules.ts';
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

/** Figures that pass every default rule of the ImageNet encoder. */
export const GOOD: Record<string, Metric> = {
  'integrity.broken': metric(0, 0),
  'effect.pixels': metric(0.1),
  'kid.improvement': metric(0.4),
  'style.marginGain': metric(0.3),
  'diversity.vendi': metric(0.95),
  'diversity.withinPrompt': metric(0.9),
  'copying.close': metric(0.02),
  'parity.reload': metric(0, 0),
  'parity.deployed': metric(0.001, 0.0005),
};

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
    dataset: { train: 40, unseen: 20, neighbours: 30, files: {} },
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
  rivals: [],
};

/** The default rules of the ImageNet encoder. */
export const RULES = DEFAULT_RULES['efficientnet-lite0'];
