import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { parseRunConfig, type TrainingConfig } from '../../../src/domain/config/run-config.ts';
import {
  type Machine,
  microStepSeconds,
  overflow,
  profileFor,
  trainingNeeds,
} from '../../../src/domain/training/needs.ts';

const FLUX = { num_layers: 19, num_single_layers: 38, attention_head_dim: 128, num_attention_heads: 24 };

function training(profile: string, change: Partial<TrainingConfig> = {}): TrainingConfig {
  const parsed = parseRunConfig({ profile, training: change });
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.problems));
  return parsed.value.training;
}

const machine = (vram: number, name = 'a GPU'): Machine => ({
  device: 'cuda',
  name,
  vramBytes: vram * 1e9,
  ramBytes: 64e9,
});

describe('what a training of FLUX.1-dev needs', () => {
  it('counts the weights that the real shapes have (gpu-worker/tests/test_flux_shapes.py counts them on the meta device)', () => {
    expect(trainingNeeds(FLUX, training('a100'), 768).baseParameters).toBe(11_901_408_320);
    const lora = (rank: number, targets: TrainingConfig['targets']) =>
      trainingNeeds(FLUX, training('a100', { rank, targets }), 768).loraParameters;
    expect(lora(16, 'attention')).toBe(26_148_864);
    expect(lora(16, 'attention+feed-forward')).toBe(44_826_624);
    expect(lora(16, 'all-linear')).toBe(85_917_696);
  });

  it.each([
    // Published: NF4 on an RTX 4090 about 9 GB; fp16 with NF4 on a T4 8.4 to 9.8 GB; a 16 bit base 26 GB.
    ['NF4, rank 4, 512×768', { quantization: 'nf4', rank: 4, targets: 'attention' }, 627, 8.4, 11],
    ['16 bit, rank 4, 512×768', { quantization: 'none', rank: 4, targets: 'attention' }, 627, 25, 28],
  ] as const)('lies near the published memory of %s', (_, change, side, low, high) => {
    const { vramBytes } = trainingNeeds(FLUX, training('a100', change), side);
    expect(vramBytes / 1e9).toBeGreaterThan(low);
    expect(vramBytes / 1e9).toBeLessThan(high);
  });

  it.each([
    ['t4', 15.6],
    ['l4', 23.6],
    ['a100', 42.4],
    ['h100', 85],
  ])('fits with the profile %s into its %s GB', (profile, vram) => {
    const parsed = parseRunConfig({ profile });
    if (!parsed.ok) throw new Error('profile');
    const { training: chosen, dataset } = parsed.value;
    expect(overflow(trainingNeeds(FLUX, chosen, dataset.resolution), machine(vram), chosen)).toBeNull();
    expect(profileFor(machine(vram))).toBe(profile);
  });

  it('takes about the published time on the machines that there are figures for', () => {
    const change = { quantization: 'nf4', rank: 4, targets: 'attention' } as const;
    const needs = trainingNeeds(FLUX, training('a100', change), 627);
    expect(microStepSeconds(needs, { name: 'NVIDIA GeForce RTX 4090' }, 'bf16')).toBeCloseTo(0.88, 1);
    expect(microStepSeconds(needs, { name: 'Tesla T4' }, 'fp16')).toBeCloseTo(4.8, 0);
    expect(microStepSeconds(needs, { name: 'something else' }, 'fp16')).toBeNull();
    // A T4 has no units for bf16.
    expect(microStepSeconds(needs, { name: 'Tesla T4' }, 'bf16')).toBeGreaterThan(30);
  });

  it('is refused where it does not fit, with what it needs, what there is, and what would help', () => {
    const chosen = training('a100', { batchSize: 4, gradientCheckpointing: false });
    const problem = overflow(trainingNeeds(FLUX, chosen, 768), machine(15.6, 'Tesla T4'), chosen);
    expect(problem).toMatch(/fits on Tesla T4 with 15\.6 GB.*needs about \d+\.\d GB/);
    for (const way of ['quantization nf4', 'gradientCheckpointing true', 'smaller training.batchSize'])
      expect(problem).toContain(way);
  });

  it('grows with rank, resolution and batch, and shrinks with what saves memory', () => {
    const of = (change: Partial<TrainingConfig>, side = 768) =>
      trainingNeeds(FLUX, training('a100', change), side).vramBytes;
    fc.assert(
      fc.property(
        fc.constantFrom('none', 'nf4', 'int8', 'fp8' as const),
        fc.integer({ min: 1, max: 8 }),
        fc.integer({ min: 0, max: 50 }),
        (quantization, batchSize, offloadBlocks) => {
          const change = { quantization, batchSize, offloadBlocks };
          const here = of(change);
          expect(of({ ...change, batchSize: batchSize + 1 })).toBeGreaterThanOrEqual(here);
          expect(of({ ...change, rank: 64 })).toBeGreaterThanOrEqual(here);
          expect(of(change, 1024)).toBeGreaterThanOrEqual(here);
          expect(of({ ...change, gradientCheckpointing: false })).toBeGreaterThanOrEqual(here);
          if (offloadBlocks > 0)
            expect(of({ ...change, offloadBlocks: offloadBlocks + 1 })).toBeLessThanOrEqual(here);
          expect(of({ ...change, quantization: 'nf4' })).toBeLessThanOrEqual(here);
        },
      ),
    );
  });

  it('is refused on a machine whose own memory does not hold it', () => {
    const chosen = training('a100');
    const small: Machine = { ...machine(80), ramBytes: 13e9 };
    expect(overflow(trainingNeeds(FLUX, chosen, 768), small, chosen)).toMatch(
      /13\.0 GB of memory of this machine/,
    );
  });

  it('that several processes share needs the host once for each, and room for the gradients of all', () => {
    const chosen = training('a100', { rank: 64 });
    const needs = trainingNeeds(FLUX, chosen, 768);
    const two = (vram: number, ramBytes: number) =>
      overflow(needs, { ...machine(vram), ramBytes, processes: 2 }, chosen);
    expect(two(80, 60e9)).toBeNull();
    expect(two(80, 40e9)).toMatch(/needs about 5\d\.\d GB/);
    const alone = needs.vramBytes / 1e9 + 0.1;
    expect(overflow(needs, machine(alone), chosen)).toBeNull();
    expect(two(alone, 60e9)).toMatch(/fits on/);
  });
});

describe('the profile of a machine', () => {
  it('is tiny without an accelerator, and t4 for old ones whatever their memory', () => {
    expect(profileFor({ device: 'cpu', name: 'a CPU', vramBytes: null })).toBe('tiny');
    expect(profileFor(machine(32, 'Tesla V100-SXM2-32GB'))).toBe('t4');
  });
});
