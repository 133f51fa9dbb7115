import { describe, expect, it } from '@jest/globals';
import { TrainerTraining } from '../../../src/domain/trainer-protocol.ts';
import type { GpuCheck } from '../../../src/domain/training/gpu-check.ts';
import { gpuCheckPlan, measuredFactor } from '../../../src/domain/training/gpu-check.ts';
import { type Machine, microStepSeconds, trainingNeeds } from '../../../src/domain/training/needs.ts';

const FLUX = { num_layers: 19, num_single_layers: 38, attention_head_dim: 128, num_attention_heads: 24 };
const machine = (name: string, gb: number): Machine => ({
  ...{ device: 'cuda', name, vramBytes: gb * 1e9, ramBytes: 64e9 },
});
const l4 = machine('NVIDIA L4', 23.6);

describe('what a check of a machine measures', () => {
  it('is each profile that fits, with its own settings and a few steps', () => {
    expect(Object.keys(gpuCheckPlan(machine('Tesla T4', 15.6), false).profiles)).toEqual(['t4']);
    expect(Object.keys(gpuCheckPlan(l4, false).profiles)).toEqual(['t4', 'l4']);
    const { profiles } = gpuCheckPlan(machine('NVIDIA H200', 150), false);
    expect(Object.keys(profiles)).toEqual(['t4', 'l4', 'a100', 'h100']);
    for (const { training } of Object.values(profiles)) {
      TrainerTraining.parse(training);
      expect(training.steps).toBeLessThan(10);
      expect(training.sampleEvery).toBeGreaterThan(0);
    }
    expect(profiles.t4?.training).toMatchObject({ precision: 'fp16', quantization: 'nf4', rank: 8 });
    expect(profiles.h100?.peakFlops).toBe(989e12);
  });

  it('is every profile in the small form, and only what was asked for', () => {
    const cpu: Machine = { device: 'cpu', name: 'a CPU', vramBytes: null, ramBytes: 8e9 };
    expect(Object.keys(gpuCheckPlan(cpu, true).profiles)).toHaveLength(4);
    expect(Object.keys(gpuCheckPlan(cpu, true, ['l4']).profiles)).toEqual(['l4']);
    expect(() => gpuCheckPlan(cpu, false)).toThrow(/--small/);
    expect(() => gpuCheckPlan(cpu, true, ['l5'])).toThrow(/expected profiles among t4, l4.*got l5/);
  });
});

describe('a measured speed', () => {
  const training = { precision: 'bf16', quantization: 'int8' } as const;
  const planned = gpuCheckPlan(l4, false).profiles.l4;
  if (planned === undefined) throw new Error('l4');
  const own = microStepSeconds(trainingNeeds(FLUX, planned.training, 512), l4, 'bf16') ?? 0;
  const check = (change: Partial<GpuCheck> = {}): GpuCheck => ({
    ...{ format: 1, small: false, machine: { name: l4.name, vramBytes: l4.vramBytes } },
    profiles: { l4: { microStepSeconds: 1.5 * own, error: null } },
    ...change,
  });

  it('takes the place of the predicted one on its machine and for its types of numbers', () => {
    expect(measuredFactor(check(), l4, training)).toBeCloseTo(1.5, 6);
  });

  it.each([
    ['of another machine', check({ machine: { name: 'NVIDIA A100', vramBytes: 42.4e9 } })],
    ['of the small form', check({ small: true })],
    ['of a profile that failed', check({ profiles: { l4: { microStepSeconds: 9, error: 'OutOfMemory' } } })],
    ['of other types', check({ profiles: { t4: { microStepSeconds: 9, error: null } } })],
    ['that was never made', null],
  ])('%s changes nothing', (_, other) => {
    expect(measuredFactor(other, l4, training)).toBe(1);
  });
});
