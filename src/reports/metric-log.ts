import { z } from 'zod';
import type { CurvePoint } from './plots.ts';

/** A line of `metrics.jsonl`: the figures of one step, as one attempt measured them. */
const MetricLine = z.looseObject({
  step: z.int(),
  attempt: z.int().optional(),
  values: z.record(z.string(), z.number().nullable()),
});

export interface MetricLog {
  loss: CurvePoint[];
  heldOut: CurvePoint[];
  learningRate: CurvePoint[];
}

/** Reads a metric log; a step measured again after a preemption counts once, as it was measured last. */
export function parseMetricLog(text: string): MetricLog {
  const latest = new Map<string, Map<number, number>>();
  for (const line of text.split('\n')) {
    if (line.trim() === '') continue;
    const parsed = MetricLine.safeParse(parseLine(line));
    if (!parsed.success) continue;
    for (const [key, value] of Object.entries(parsed.data.values)) {
      if (value === null) continue;
      const series = latest.get(key) ?? new Map<number, number>();
      series.set(parsed.data.step, value);
      latest.set(key, series);
    }
  }
  const series = (key: string): CurvePoint[] =>
    [...(latest.get(key) ?? [])].map(([step, value]) => ({ step, value })).sort((a, b) => a.step - b.step);
  return { loss: series('loss'), heldOut: series('heldOutLoss'), learningRate: series('learningRate') };
}

/** A last line that a killed attempt left half-written is no line. */
function parseLine(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return null;
  }
}
