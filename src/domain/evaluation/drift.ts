import { z } from 'zod';
import { Sha256 } from '../refs.ts';
import { Metric } from './report.ts';

/** Figures of a release that are followed from night to night. */
export const FOLLOWED = ['style.margin', 'kid.candidate', 'diversity.vendi', 'copying.close'] as const;

/** One re-evaluation in a model's history: a line of `history.jsonl`. */
export const HistoryEntry = z.strictObject({
  /** Temporal run id: a second attempt replaces its own line. */
  runId: z.string(),
  /** Milliseconds since the epoch. */
  at: z.number(),
  tag: z.string(),
  adapterSha256: Sha256,
  verdict: z.enum(['PASS', 'FAIL', 'INCONCLUSIVE']),
  metrics: z.record(z.string(), Metric),
  /** Sentences about what moved since the release. */
  drift: z.array(z.string()),
});
export type HistoryEntry = z.infer<typeof HistoryEntry>;

/**
 * What moved since a release was judged, in words: figures whose difference is larger than both bounds' reach together.
 * The same pictures measured by the same encoder do not move at all.
 */
export function driftOf(then: Record<string, Metric>, now: Record<string, Metric>): string[] {
  return FOLLOWED.flatMap((name) => {
    const before = then[name];
    const after = now[name];
    const moved = before === undefined || after === undefined ? null : difference(before, after);
    if (moved === null)
      return before === undefined ? [] : [`DRIFT ${name}: it was measured at the release, and is not now.`];
    const { by, reach } = moved;
    if (Math.abs(by) <= reach) return [];
    return [
      `DRIFT ${name}: ${short(before?.estimate)} at the release, ${short(after?.estimate)} now, more than ${short(reach)} apart.`,
    ];
  });
}

function difference(before: Metric, after: Metric): { by: number; reach: number } | null {
  const values = [before.estimate, before.low, before.high, after.estimate, after.low, after.high];
  if (values.some((value) => value === null || !Number.isFinite(value))) return null;
  const [was, wasLow, wasHigh, is, isLow, isHigh] = values as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  const reach = Math.hypot(Math.max(was - wasLow, wasHigh - was), Math.max(is - isLow, isHigh - is));
  return { by: is - was, reach };
}

function short(value: number | null | undefined): string {
  return value == null ? 'none' : String(Number(value.toPrecision(3)));
}

/** A history with an entry in place of an earlier one of the same run, oldest first. */
export function withEntry(history: readonly HistoryEntry[], entry: HistoryEntry): HistoryEntry[] {
  return [...history.filter(({ runId }) => runId !== entry.runId), entry].sort((a, b) => a.at - b.at);
}
