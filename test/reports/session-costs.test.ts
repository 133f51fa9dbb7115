import { describe, expect, it } from '@jest/globals';
import { costOf, type GpuSession, totalCost } from '../../src/domain/gpu-source/session.ts';
import type { AttemptRecord } from '../../src/domain/training/ledger.ts';
import { interruptionsOf, sessionBlocks } from '../../src/reports/pages/report-sessions.ts';
import type { RunRecords } from '../../src/reports/records/run-records.ts';

const START = Date.UTC(2026, 10, 30, 12);
const MINUTE = 60_000;

const session = (number: number, more: Partial<GpuSession> = {}): GpuSession => ({
  ...{ name: `pa-main-2611-${number}`, source: 'jobs', accelerator: 'L4', queue: 'gpu', run: 'evening' },
  ...{ why: 'evening: train waits for a GPU', price: { perHour: 6, currency: 'USD' }, openedAt: START },
  ...{ startedAt: START, readyAt: START + MINUTE, closedAt: null, ended: null, refusal: null, detail: '' },
  ...more,
});

const attempt = (token: number, more: Partial<AttemptRecord> = {}): AttemptRecord => ({
  ...{ token, owner: 'evening', runId: 'r', startedAt: START, resumedFrom: 0, reached: 100, checkpoints: 1 },
  ...{ packs: 0, gpuSeconds: 100, ended: 'done', failure: null, damaged: [], accepted: [] },
  ...more,
});

const sessions = [
  session(1, { closedAt: START + 10 * MINUTE, ended: 'lost', detail: 'its source no longer lists it' }),
  session(2, { openedAt: START + 10 * MINUTE, readyAt: START + 12 * MINUTE }),
];
const attempts = [
  attempt(1, { machine: 'pa-main-2611-1 (T4)', reached: 60, ended: 'preempted' }),
  attempt(2, { machine: 'pa-main-2611-2', startedAt: START + 12 * MINUTE, resumedFrom: 40, reached: 140 }),
];
const measuredAt = {
  1: { first: START + 2 * MINUTE, last: START + 9 * MINUTE },
  2: { first: START + 13 * MINUTE, last: START + 20 * MINUTE },
};
const gpuSessions = { at: START + 30 * MINUTE, sessions };
const textOf = (records: Partial<RunRecords>) =>
  JSON.stringify(sessionBlocks({ attempts, measuredAt, gpuSessions, ...records } as RunRecords));

describe('what sessions and interruptions cost', () => {
  it('sums sessions by currency, open ones up to now, and calls free and refused ones free', () => {
    expect(totalCost(sessions, START + 30 * MINUTE)).toBe('3.00 USD');
    const refused = session(3, { ended: 'refused', closedAt: START + MINUTE });
    expect(costOf(refused, START + MINUTE)).toBe(0);
    expect(totalCost([session(4, { price: { perHour: 0, currency: 'USD' } })], START + MINUTE)).toBe(
      'nothing',
    );
    expect(totalCost([...sessions, session(5, { price: { perHour: 1, currency: 'units' } })], START)).toBe(
      '1.00 USD + 0.00 units',
    );
  });

  it('says of each interruption what was lost, how long it took at most, and what it cost', () => {
    // 3 minutes from the opening of the next session to its first figure, and 20 of 100 steps of 100 s again.
    expect(interruptionsOf({ attempts, measuredAt, gpuSessions })).toEqual([
      { step: 60, repeated: 20, seconds: 240, cost: '0.3333 USD' },
    ]);
    expect(interruptionsOf({ attempts, measuredAt: {}, gpuSessions: null })).toMatchObject([
      { seconds: null, cost: null },
    ]);
  });

  it('shows every session, the sum of a release, and that one is still open', () => {
    const release = { release: { tag: 'v3' } };
    const text = textOf({ summary: { release } as RunRecords['summary'] });
    for (const words of [
      'pa-main-2611-1',
      'closed: lost',
      'Release v3 cost 3.00 USD in all',
      '1 of them was',
    ])
      expect(text).toContain(words);
    expect(textOf({ gpuSessions: null, attempts: [] })).toBe('[]');
  });
});
