import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  type IntervalFacts,
  secondsBetweenPreemptions,
  secondsToNextCheckpoint,
} from '../../../src/domain/training/checkpoint-interval.ts';

const HOUR = 3600;
const facts: IntervalFacts = {
  minSeconds: 60,
  maxSeconds: 180,
  stallSeconds: 1,
  saveSeconds: 20,
  betweenPreemptions: 2 * HOUR,
};
const any = fc.record({
  minSeconds: fc.double({ min: 0, max: 120, noNaN: true }),
  maxSeconds: fc.double({ min: 120, max: 1000, noNaN: true }),
  stallSeconds: fc.double({ min: 0, max: 60, noNaN: true }),
  saveSeconds: fc.double({ min: 0, max: 400, noNaN: true }),
  betweenPreemptions: fc.double({ min: 1, max: 1e6, noNaN: true }),
});

describe('the time to the next checkpoint', () => {
  it('is the optimum of Young and Daly between its bounds: √(2·1·7200) − 1 = 119 s', () => {
    expect(secondsToNextCheckpoint(facts)).toBeCloseTo(119, 5);
  });

  it('is one minute where machines die every few minutes, three less the upload where they live for days', () => {
    expect(secondsToNextCheckpoint({ ...facts, betweenPreemptions: 300 })).toBe(60);
    expect(secondsToNextCheckpoint({ ...facts, betweenPreemptions: 100 * HOUR })).toBe(160);
  });

  it('asks a Hub that is slower than the bounds no more often than it can take', () => {
    expect(secondsToNextCheckpoint({ ...facts, saveSeconds: 300 })).toBe(300);
  });

  it('keeps the work at risk, upload included, within maxSeconds wherever that is possible at all', () => {
    fc.assert(
      fc.property(any, (f) => {
        const seconds = secondsToNextCheckpoint(f);
        expect(seconds).toBeGreaterThanOrEqual(f.minSeconds);
        if (f.saveSeconds + Math.max(f.minSeconds, f.saveSeconds) <= f.maxSeconds)
          expect(seconds + f.saveSeconds).toBeLessThanOrEqual(f.maxSeconds + 1e-9);
      }),
    );
  });

  it('never grows shorter when machines live longer', () => {
    fc.assert(
      fc.property(any, fc.double({ min: 1, max: 10, noNaN: true }), (f, factor) => {
        const longer = { ...f, betweenPreemptions: f.betweenPreemptions * factor };
        expect(secondsToNextCheckpoint(longer)).toBeGreaterThanOrEqual(secondsToNextCheckpoint(f) - 1e-9);
      }),
    );
  });
});

describe('the life of a machine', () => {
  it('is two hours until the run knows better, and soon what the run has seen', () => {
    expect(secondsBetweenPreemptions({ gpuSeconds: 0, preemptions: 0 })).toBe(2 * HOUR);
    const seen = secondsBetweenPreemptions({ gpuSeconds: 50 * 600, preemptions: 50 });
    expect(seen).toBeGreaterThan(600);
    expect(seen).toBeLessThan(800);
  });
});
