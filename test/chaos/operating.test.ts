import { describe, expect, it } from '@jest/globals';
import { preempt } from './preemptions.ts';

describe('a run that is preempted again and again', () => {
  it('keeps its history short and knows how often', async () => {
    const { events, status } = await preempt(40);
    // At most four events for each preemption, and what a run has anyway.
    expect(events).toBeLessThan(40 * 4 + 200);
    expect(status.training?.preemptions).toBe(40);
  }, 240_000);
});
