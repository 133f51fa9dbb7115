import { describe, expect, it } from '@jest/globals';
import { TuningConfig } from '../../../src/domain/config/tuning-config.ts';
import { studyLanes } from '../../../src/domain/tuning/top-k.ts';

const lanes = (tuning: object) => studyLanes(TuningConfig.parse(tuning));

describe('the lanes that a study trains on', () => {
  it('are none where nothing is searched', () => expect(lanes({ strategy: 'fixed', trials: 6 })).toBe(0));

  it('are its trials and every finalist again with every new seed', () =>
    expect(lanes({ strategy: 'gp', trials: 6, finalists: 3, seeds: 2 })).toBe(6 + 3 * 2));

  it('are its trials alone where there is nothing to choose between', () => {
    expect(lanes({ strategy: 'gp', trials: 6, finalists: 1, seeds: 2 })).toBe(6);
    expect(lanes({ strategy: 'gp', trials: 1, finalists: 3, seeds: 2 })).toBe(1);
    expect(lanes({ strategy: 'gp', trials: 6, objective: { goals: ['heldOutLoss', 'style'] } })).toBe(6);
  });
});
