import { describe, expect, it } from '@jest/globals';
import {
  type AttemptRecord,
  attemptsWithoutProgress,
  beginAttempt,
  emptyLedger,
  ledgerTotals,
  publishedCheckpoints,
  TrainingLedger,
  updateAttempt,
} from '../../../src/domain/training/ledger.ts';

function record(token: number, change: Partial<AttemptRecord> = {}): AttemptRecord {
  return {
    token,
    owner: `attempt ${token}`,
    runId: 'run',
    startedAt: 0,
    resumedFrom: 0,
    reached: 0,
    checkpoints: 0,
    packs: 0,
    gpuSeconds: 0,
    ended: 'running',
    failure: null,
    damaged: [],
    accepted: [],
    ...change,
  };
}

const NOTHING = { step: null, gpuSeconds: null, packs: null };

describe('the ledger of a branch', () => {
  it('closes an attempt that vanished with what its heartbeats had said', () => {
    const first = beginAttempt(emptyLedger('main'), record(1), NOTHING);
    const second = beginAttempt(first, record(2, { resumedFrom: 50, reached: 50 }), {
      step: 73,
      gpuSeconds: 9,
      packs: null,
    });
    expect(second.attempts[0]).toMatchObject({ ended: 'preempted', reached: 73, gpuSeconds: 9 });
    expect(ledgerTotals(second)).toEqual({ preemptions: 1, repeatedSteps: 23, gpuSeconds: 9 });
  });

  it('counts no preemption and no repeated step after an attempt that stopped on request', () => {
    const first = updateAttempt(beginAttempt(emptyLedger('main'), record(1), NOTHING), {
      ended: 'stopped',
      reached: 40,
      checkpoints: 1,
    });
    const second = beginAttempt(first, record(2, { resumedFrom: 40, reached: 40 }), {
      step: 99,
      gpuSeconds: 99,
      packs: null,
    });
    expect(ledgerTotals(second)).toEqual({ preemptions: 0, repeatedSteps: 0, gpuSeconds: 0 });
  });

  it('adds up over fifty preemptions', () => {
    let ledger = emptyLedger('main');
    for (let token = 1; token <= 51; token += 1) {
      const resumedFrom = (token - 1) * 10;
      const seen = { step: resumedFrom + 3, gpuSeconds: 2, packs: null };
      ledger = beginAttempt(
        ledger,
        record(token, { resumedFrom, reached: resumedFrom, checkpoints: 1 }),
        seen,
      );
    }
    expect(ledgerTotals(ledger)).toEqual({ preemptions: 50, repeatedSteps: 150, gpuSeconds: 100 });
    expect(TrainingLedger.parse(JSON.parse(JSON.stringify(ledger)))).toEqual(ledger);
  });

  it('credits what heartbeats had said to the newest attempt alone, and never less than was known', () => {
    const open = {
      ...emptyLedger('main'),
      attempts: [record(1, { reached: 5 }), record(2, { reached: 20, gpuSeconds: 4, packs: 3 })],
    };
    const { attempts } = beginAttempt(open, record(3), { step: 12, gpuSeconds: 9, packs: 2 });
    expect(attempts.map(({ reached, gpuSeconds, packs }) => [reached, gpuSeconds, packs])).toEqual([
      [5, 0, 0],
      [20, 9, 3],
      [0, 0, 0],
    ]);
    const later = beginAttempt(open, record(3), { step: 40, gpuSeconds: 1, packs: 8 });
    expect(later.attempts[1]).toMatchObject({ reached: 40, gpuSeconds: 4, packs: 8 });
  });

  it('changes its newest attempt alone, and has one to change', () => {
    const two = { ...emptyLedger('main'), attempts: [record(1), record(2)] };
    expect(updateAttempt(two, { packs: 7 }).attempts).toEqual([record(1), record(2, { packs: 7 })]);
    expect(() => updateAttempt(emptyLedger('main'), { packs: 7 })).toThrow('expected an attempt');
  });

  it('counts the checkpoints of all attempts', () => {
    const attempts = [record(1, { checkpoints: 2 }), record(2), record(3, { checkpoints: 5 })];
    expect(publishedCheckpoints({ ...emptyLedger('main'), attempts })).toBe(7);
  });

  it('forgets its result when training goes on', () => {
    const done = { ...emptyLedger('main'), attempts: [record(1, { ended: 'done' })] };
    expect(beginAttempt(done, record(2), NOTHING).result).toBeNull();
  });
});

describe('attempts without progress', () => {
  const ledger = (...attempts: Partial<AttemptRecord>[]) => ({
    ...emptyLedger('main'),
    attempts: attempts.map((change, index) => record(index + 1, { ended: 'preempted', ...change })),
  });

  it('are counted back to the last one that published', () => {
    expect(attemptsWithoutProgress(ledger({}, { checkpoints: 2 }, {}, {}), 'run')).toBe(2);
    expect(attemptsWithoutProgress(ledger({}, {}, { checkpoints: 1 }), 'run')).toBe(0);
    // Hours of encoding are on the Hub: the machine that comes next begins where this one ended.
    expect(attemptsWithoutProgress(ledger({}, {}, { packs: 3 }, {}), 'run')).toBe(1);
  });

  it('do not count one that was asked to stop, even where it had published nothing', () => {
    expect(attemptsWithoutProgress(ledger({}, {}, { ended: 'stopped' }), 'run')).toBe(0);
    expect(attemptsWithoutProgress(ledger({}, { ended: 'stopped' }, {}, {}), 'run')).toBe(2);
    const others = (['running', 'done', 'failed', 'preempted'] as const).map((ended) => ({ ended }));
    expect(attemptsWithoutProgress(ledger(...others), 'run')).toBe(4);
  });

  it('of an earlier workflow run do not count, so that a resumed run starts afresh', () => {
    expect(attemptsWithoutProgress(ledger({ runId: 'old' }, { runId: 'old' }, {}), 'run')).toBe(1);
  });
});
