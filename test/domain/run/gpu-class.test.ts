import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { parseRunConfig } from '../../../src/domain/config/run-config.ts';
import {
  classAbove,
  classesServed,
  classForNeed,
  classOfMachine,
  GPU_CLASSES,
} from '../../../src/domain/run/gpu-class.ts';
import { gpuQueue } from '../../../src/domain/run/task-queues.ts';
import { trainingNeeds } from '../../../src/domain/training/needs.ts';

const FLUX = { num_layers: 19, num_single_layers: 38, attention_head_dim: 128, num_attention_heads: 24 };

describe('the classes of accelerators', () => {
  it.each([
    ['t4', 15.6, 16],
    ['l4', 23.6, 24],
    ['a100', 42.4, 40],
    ['h100', 85, 80],
  ] as const)('give the profile %s the card that it is named after, with %s GB', (profile, gb, expected) => {
    const parsed = parseRunConfig({ profile });
    if (!parsed.ok) throw new Error(profile);
    const { training, dataset } = parsed.value;
    expect(classOfMachine(gb * 1e9)).toBe(expected);
    const needed = classForNeed(trainingNeeds(FLUX, training, dataset.resolution).vramBytes);
    expect(needed).toBeLessThanOrEqual(expected);
  });

  it('let whatever needs little run anywhere, a machine without an accelerator too', () => {
    expect(classForNeed(1e9)).toBe(0);
    expect(classOfMachine(null)).toBe(0);
    expect(gpuQueue(null, 0)).toBe('gpu');
  });

  it('send no work to a machine of a class that offers too little, and every machine serves the smaller ones', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 300e9 }), fc.integer({ min: 0, max: 130e9 }), (vram, need) => {
        const [own, needed] = [classOfMachine(vram), classForNeed(need)];
        const served = classesServed(own);
        expect(served[0]).toBe(own);
        expect(served).toEqual(GPU_CLASSES.filter((one) => one <= own).reverse());
        if (needed > 0 && served.includes(needed)) expect(vram).toBeGreaterThanOrEqual(need);
        const above = classAbove(own);
        if (above !== null) expect(served).not.toContain(above);
      }),
    );
  });

  it('have queues that no session can be named like', () => {
    const parsed = parseRunConfig({ gpuSession: '24gb' });
    if (!parsed.ok) throw new Error('expected a session of that name');
    const names = new Set([
      gpuQueue(parsed.value.gpuSession),
      ...GPU_CLASSES.map((one) => gpuQueue(null, one)),
    ]);
    expect(names.size).toBe(GPU_CLASSES.length + 1);
    for (const gpuSession of ['.24gb', 'a.24gb']) expect(parseRunConfig({ gpuSession }).ok).toBe(false);
  });
});
