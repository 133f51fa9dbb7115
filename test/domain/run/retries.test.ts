import { describe, expect, it } from '@jest/globals';
import { ERROR_KINDS, type ErrorKind } from '../../../src/domain/errors.ts';
import { RETRIES, retryDelayMs } from '../../../src/domain/run/retries.ts';

describe('retries by kind', () => {
  it('are there for every kind that may be tried again, and for no other', () => {
    const retryable = Object.entries(ERROR_KINDS).filter(([, { retryable }]) => retryable);
    expect(Object.keys(RETRIES).sort()).toEqual(retryable.map(([kind]) => kind).sort());
  });
  it.each(['InvalidInput', 'BadData', 'Diverged', 'BudgetExhausted', 'Fenced', 'HubRefused'] as ErrorKind[])(
    'never try %s again',
    (kind) => expect(retryDelayMs(kind, 1)).toBeNull(),
  );
  it('try a dead trainer again at once, however often it died', () => {
    expect(retryDelayMs('TrainerDied', 1000)).toBe(500);
  });
  it('leave a Hub in trouble longer and longer in peace, up to a minute', () => {
    expect([1, 2, 3, 50].map((attempt) => retryDelayMs('HubUnavailable', attempt))).toEqual([
      1000, 2000, 4000, 60_000,
    ]);
  });
  it('give up on what stays corrupt', () => {
    expect(retryDelayMs('Corrupt', 9)).not.toBeNull();
    expect(retryDelayMs('Corrupt', 10)).toBeNull();
  });
});
