import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { CheckpointClock } from '../../../src/activities/train/checkpoint-timer.ts';

describe('the clock of checkpoints', () => {
  beforeEach(() => void jest.useFakeTimers());
  afterEach(() => void jest.useRealTimers());

  /** A clock whose machines live so long that only its bounds count, and when it asked, in seconds from now. */
  function started(saveSecondsBefore: number | null = null) {
    const began = Date.now();
    const asked: number[] = [];
    const clock = new CheckpointClock({
      limits: { minSeconds: 60, maxSeconds: 180 },
      betweenPreemptions: () => 1e9,
      saveSecondsBefore,
      ask: () => asked.push((Date.now() - began) / 1000),
    });
    clock.start();
    return { clock, asked };
  }

  it('leaves room for an upload that it knows nothing of yet, then for the longest of late', () => {
    const { clock, asked } = started();
    jest.advanceTimersByTime(135_000);
    expect(asked).toEqual([135]);
    jest.advanceTimersByTime(2_000);
    clock.saved('a');
    jest.advanceTimersByTime(8_000);
    expect(clock.published('a')).toBe(10);
    jest.advanceTimersByTime(125_000);
    expect(asked).toEqual([135, 270]);
    clock.saved('b');
    jest.advanceTimersByTime(170_000);
    expect(asked).toEqual([135, 270, 440]);
  });

  it('begins with what the attempt before it had measured', () => {
    const { asked } = started(20);
    jest.advanceTimersByTime(200_000);
    expect(asked).toEqual([160]);
  });

  it('counts from a checkpoint that came by itself', () => {
    const { clock, asked } = started();
    jest.advanceTimersByTime(100_000);
    clock.saved('by step');
    jest.advanceTimersByTime(134_000);
    expect(asked).toEqual([]);
    jest.advanceTimersByTime(1_000);
    expect(asked).toEqual([235]);
  });

  it('asks no more once it has stopped', () => {
    const { clock, asked } = started();
    clock.stop();
    jest.advanceTimersByTime(1e6);
    clock.saved('late');
    jest.advanceTimersByTime(1e6);
    expect(asked).toEqual([]);
  });
});
