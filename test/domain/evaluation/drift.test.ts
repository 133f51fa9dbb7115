import { describe, expect, it } from '@jest/globals';
import { driftOf, type HistoryEntry, withEntry } from '../../../src/domain/evaluation/drift.ts';
import { metric, shaOf } from '../report-in-test.ts';

const then = { 'style.margin': metric(0.05, 0.02), 'kid.candidate': metric(0.9, 0.1) };

describe('drift', () => {
  it('is nothing when the same figures come out again', () => {
    expect(driftOf(then, then)).toEqual([]);
  });

  it('is told where a figure moved by more than both bounds reach together', () => {
    expect(driftOf(then, { ...then, 'style.margin': metric(0.07, 0.02) })).toEqual([]);
    const [sentence] = driftOf(then, { ...then, 'style.margin': metric(0.01, 0.02) });
    expect(sentence).toContain('DRIFT style.margin: 0.05 at the release, 0.01 now');
  });

  it('is told where a figure is not measured any more', () => {
    expect(driftOf(then, { 'kid.candidate': metric(0.9) })).toEqual([
      'DRIFT style.margin: it was measured at the release, and is not now.',
    ]);
  });
});

describe('a history', () => {
  const entry = (runId: string, at: number): HistoryEntry => ({
    ...{ runId, at, tag: 'v1', adapterSha256: shaOf('a'), verdict: 'PASS', metrics: {}, drift: [] },
  });

  it('has one line a run, however often its judge ran, oldest first', () => {
    const history = withEntry(withEntry([entry('b', 2)], entry('a', 1)), entry('b', 2));
    expect(history.map(({ runId }) => runId)).toEqual(['a', 'b']);
  });
});
