import { describe, expect, it } from '@jest/globals';
import { noticesOf } from '../../../src/domain/run/notices.ts';

const at = (preemptions: number, gpuHoursLeft = 10) => ({ preemptions, gpuHoursLeft });

describe('notices about GPU work', () => {
  it('come at the fifth preemption and at every doubling, not at each', () => {
    const told = Array.from({ length: 100 }, (_, n) => noticesOf(at(n), at(n + 1), 10).length);
    expect(told.flatMap((count, n) => (count > 0 ? [n + 1] : []))).toEqual([5, 10, 20, 40, 80]);
  });
  it('come once when a fifth of the budget is left', () => {
    expect(noticesOf(at(0, 2.1), at(0, 1.9), 10).map(({ event }) => event)).toEqual(['budget-low']);
    expect(noticesOf(at(0, 1.9), at(0, 1.8), 10)).toEqual([]);
  });
});
