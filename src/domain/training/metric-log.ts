import { z } from 'zod';

/** A line of `metrics.jsonl`: the figures of one step, from the attempt whose work counts. */
export const MetricLine = z.strictObject({
  step: z.int().min(0),
  /** Fencing token of the attempt that measured. */
  attempt: z.int().min(0),
  /** Milliseconds since the epoch. */
  at: z.number(),
  /** loss, heldOutLoss, learningRate, gradientNorm, imagesPerSecond, vramBytes, … */
  values: z.record(z.string(), z.number()),
});
export type MetricLine = z.infer<typeof MetricLine>;

/** Reads a log; lines that are no JSON of ours are skipped, so that one torn line costs itself only. */
export function parseMetricLog(text: string): MetricLine[] {
  return text.split('\n').flatMap((line) => {
    if (line.trim() === '') return [];
    try {
      const parsed = MetricLine.safeParse(JSON.parse(line));
      return parsed.success ? [parsed.data] : [];
    } catch {
      return [];
    }
  });
}

/** Lines in order of their steps; of two attempts at one step the later one counts, figures of one attempt are merged. */
export function mergeMetrics(lines: readonly MetricLine[]): MetricLine[] {
  const bySteps = new Map<number, MetricLine>();
  for (const line of lines) {
    const known = bySteps.get(line.step);
    if (known === undefined || line.attempt > known.attempt) bySteps.set(line.step, line);
    else if (line.attempt === known.attempt)
      bySteps.set(line.step, { ...line, values: { ...known.values, ...line.values } });
  }
  return [...bySteps.values()].sort((a, b) => a.step - b.step);
}

/** The log up to a step: what is later was done by an attempt that died, and will be done again. */
export function metricsUpTo(lines: readonly MetricLine[], step: number): MetricLine[] {
  return lines.filter((line) => line.step <= step);
}

/** The log as a file. */
export function formatMetricLog(lines: readonly MetricLine[]): string {
  return lines.map((line) => `${JSON.stringify(line)}\n`).join('');
}
