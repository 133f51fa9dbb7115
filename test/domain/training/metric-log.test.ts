import { describe, expect, it } from '@jest/globals';
import {
  formatMetricLog,
  type MetricLine,
  mergeMetrics,
  metricsUpTo,
  parseMetricLog,
} from '../../../src/domain/training/metric-log.ts';

const line = (step: number, attempt: number, values: Record<string, number>): MetricLine => ({
  step,
  attempt,
  at: 1,
  values,
});

describe('the metric log', () => {
  it('merges figures of one step and attempt, and lets a later attempt replace an earlier one', () => {
    const merged = mergeMetrics([
      line(2, 1, { loss: 5 }),
      line(1, 1, { loss: 9 }),
      line(1, 1, { heldOutLoss: 7 }),
      line(2, 2, { loss: 4 }),
      line(2, 1, { heldOutLoss: 3 }),
    ]);
    expect(merged).toEqual([line(1, 1, { loss: 9, heldOutLoss: 7 }), line(2, 2, { loss: 4 })]);
  });

  it('is cut at the step that a resumed attempt starts from', () => {
    expect(metricsUpTo([line(1, 1, {}), line(2, 1, {}), line(3, 1, {})], 2).map(({ step }) => step)).toEqual([
      1, 2,
    ]);
  });

  it('reads back what it wrote, and loses only the line that is torn', () => {
    const lines = [line(1, 1, { loss: 0.1 }), line(2, 1, { loss: 0.2 })];
    const text = formatMetricLog(lines);
    expect(parseMetricLog(text)).toEqual(lines);
    expect(parseMetricLog(text.slice(0, -5))).toEqual(lines.slice(0, 1));
  });
});
