import { describe, expect, it } from '@jest/globals';
import { killStudy } from './kill-study.ts';

describe('a study whose workers, server and Hub are killed', () => {
  it('makes the same moves and the same choice as one that nobody disturbs', async () => {
    const { wild, problems } = await killStudy(
      { trials: 4, kills: 3, seed: 2, everyMs: [2000, 6000], strategy: 'tpe' },
      () => undefined,
    );
    expect(problems).toEqual([]);
    expect(Object.values(wild.kills).reduce((a, b) => a + b, 0)).toBeGreaterThan(0);
    expect(wild.trace.moves.filter(({ next }) => next === 'trial')).toHaveLength(4);
  }, 600_000);
});
