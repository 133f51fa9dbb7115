import { describe, expect, it } from '@jest/globals';
import { TuningConfig } from '../../../src/domain/config/tuning-config.ts';
import { studyBranches } from '../../../src/domain/tuning/top-k.ts';

const branches = (tuning: object) => studyBranches(TuningConfig.parse(tuning));

describe('the branches that a study trains on', () => {
  it('are none where nothing is searched', () => expect(branches({ strategy: 'fixed', trials: 6 })).toBe(0));

  it('are its trials and every finalist again with every new seed', () =>
    expect(branches({ strategy: 'gp', trials: 6, finalists: 3, seeds: 2 })).toBe(6 + 3 * 2));

  it('are its trials alone where there is nothing to choose between', () => {
    expect(branches({ strategy: 'gp', trials: 6, finalists: 1, seeds: 2 })).toBe(6);
    expect(branches({ strategy: 'gp', trials: 1, finalists: 3, seeds: 2 })).toBe(1);
    expect(branches({ strategy: 'gp', trials: 6, objective: { goals: ['heldOutLoss', 'style'] } })).toBe(6);
  });
});
