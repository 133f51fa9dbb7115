import { describe, expect, it } from '@jest/globals';
import { killStudy } from './lib/kill-study.ts';

describe('a study whose workers, server and Hub are killed', () => {
  it('makes the same moves and choice as one that nobody disturbs, which then teaches another', async () => {
    const { calm, wild, warm, problems } = await killStudy(
      { trials: 4, kills: 3, pauses: 1, seed: 2, everyMs: [2000, 6000], strategy: 'tpe' },
      () => undefined,
    );
    expect(problems).toEqual([]);
    expect(Object.values(wild.kills).reduce((a, b) => a + b, 0)).toBeGreaterThan(0);
    expect(wild.trace.moves.filter(({ next }) => next === 'trial')).toHaveLength(4);
    expect(wild.pauses).toBe(1);
    // A second study begins with what the first has learnt, and its own first trial is still the configuration as it is.
    expect(new Set(warm.earlier)).toEqual(new Set([calm.trace.values.length]));
    expect(warm.moves[0]).toMatchObject({
      next: 'trial',
      number: 0,
      parameters: { rank: 2, learningRate: 1e-3 },
    });
  }, 600_000);
});
