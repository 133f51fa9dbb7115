import { describe, expect, it } from '@jest/globals';
import {
  type AttemptRecord,
  attemptsWithoutProgress,
  beginAttempt,
  emptyLedger,
  ledgerTotals,
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

describe('the ledger of a lane', () => {
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
