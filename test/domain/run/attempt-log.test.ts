import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  type AttemptFailure,
  AttemptLog,
  beginAttemptLog,
  endAttemptLog,
  hearProgress,
} from '../../../src/domain/run/attempt-log.ts';

const MAX_IDENTICAL = 3;
const failure = (change: Partial<AttemptFailure> = {}): AttemptFailure => ({
  ...{ kind: 'Internal', message: 'RuntimeError: types differ', place: 'train, 200 done', passing: false },
  ...change,
});
/** The next attempt's log after one that ended so. */
const follow = (log: AttemptLog, how: Partial<AttemptFailure>) => {
  const end = endAttemptLog(log, failure(how), MAX_IDENTICAL);
  return { next: end.next, log: beginAttemptLog({ stage: 'x', attempts: end.log }) };
};

describe('what the attempts at one activity know of each other', () => {
  it('ends the run at the same error at the same place, the second time', () => {
    const first = follow(beginAttemptLog(undefined), {});
    expect(first.next).toBe('again');
    expect(follow(first.log, {}).next).toBe('repeated');
  });

  it('takes addresses, process ids and attempt folders in an error for the same', () => {
    const first = follow(beginAttemptLog(null), { message: 'at 0x7f3a of attempt-3, process 4711' });
    expect(follow(first.log, { message: 'at 0x00ff of attempt-4, process 4799' }).next).toBe('repeated');
  });

  it.each([
    ['another place', { place: 'train, 300 done' }],
    ['another error', { message: 'KeyError: x' }],
    ['a full disk', { passing: true }],
    ['a Hub that is away', { kind: 'HubUnavailable' }],
    ['damaged bytes, which are read again elsewhere', { kind: 'Corrupt' }],
  ] as [string, Partial<AttemptFailure>][])('tries again after %s', (_, change) => {
    const first = follow(beginAttemptLog(undefined), change);
    expect(first.next).toBe('again');
    expect(follow(follow(beginAttemptLog(undefined), {}).log, change).next).toBe('again');
  });

  it('is found by whoever reads a heartbeat, and begins anew from anything else', () => {
    for (const details of [undefined, null, 3, {}, { attempts: { fruitless: -1 } }, { attempts: 'x' }])
      expect(beginAttemptLog(details)).toEqual({
        ...{ furthest: {}, further: false, fruitless: 0, open: true, failure: null },
      });
    const { log } = follow(beginAttemptLog(undefined), {});
    expect(AttemptLog.parse(log)).toEqual(log);
  });

  it('gives up exactly when so many in a row died, in whatever way, without coming further than any before', () => {
    const attempt = fc.record({ done: fc.nat(6), how: fc.constantFrom('vanished', 'died') });
    fc.assert(
      fc.property(fc.array(attempt, { maxLength: 30 }), (attempts) => {
        let log = beginAttemptLog(undefined);
        let [best, row] = [0, 0];
        for (const { done, how } of attempts) {
          log = hearProgress(log, { stage: 'measuring', done });
          row = done > best ? 0 : row + 1;
          best = Math.max(best, done);
          if (how === 'died') {
            const end = endAttemptLog(log, failure({ kind: 'TrainerDied' }), MAX_IDENTICAL);
            expect(end.next).toBe(row >= MAX_IDENTICAL ? 'fruitless' : 'again');
            log = end.log;
          }
          log = beginAttemptLog({ attempts: log });
          expect(log.fruitless).toBe(row);
        }
      }),
    );
  });
});
