import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { parseRunConfig } from '../../../src/domain/config/run-config.ts';
import { choiceSamples, sampleSet } from '../../../src/domain/evaluation/sample-set.ts';
import {
  ACCELERATOR_NAMES,
  ACCELERATORS,
  acceleratorOf,
  factsOf,
} from '../../../src/domain/training/accelerators.ts';
import { forecastRun, impossibleBudget } from '../../../src/domain/training/forecast.ts';
import { microStepSeconds, trainingNeeds } from '../../../src/domain/training/needs.ts';
import { loadOf, mostLatentBytes, workOf } from '../../../src/domain/training/work.ts';

const FLUX = { num_layers: 19, num_single_layers: 38, attention_head_dim: 128, num_attention_heads: 24 };
const FACTS = {
  ...{ train: 5800, heldOut: 720, unseen: 700, neighbors: 900, captions: 12, views: 3.7, basePainted: false },
};

function configOf(profile: string, change: object = {}) {
  const parsed = parseRunConfig({ profile, ...change });
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.problems));
  return parsed.value;
}
function forecastOf(profile: string, change: object = {}, facts = FACTS) {
  const config = configOf(profile, change);
  const { vramBytes } = trainingNeeds(FLUX, config.training, config.dataset.resolution);
  const all = forecastRun({ shape: FLUX, config, vramBytes }, facts);
  return (gpu: string) => {
    const one = all.find((forecast) => forecast.gpu === gpu);
    if (one === undefined) throw new Error(gpu);
    return one;
  };
}

describe('the table of accelerators', () => {
  it.each([
    ['Tesla T4', 15.6, 'T4'],
    ['NVIDIA L4', 23.6, 'L4'],
    ['NVIDIA A10G', 23.6, 'A10G'],
    ['NVIDIA L40S', 47.7, 'L40S'],
    ['NVIDIA GeForce RTX 4090', 25.3, 'RTX 4090'],
    ['NVIDIA A100-SXM4-40GB', 42.4, 'A100 40 GB'],
    ['NVIDIA A100-SXM4-80GB', 85, 'A100 80 GB'],
    ['NVIDIA A100 80GB PCIe', 85, 'A100 80 GB'],
    ['NVIDIA H100 80GB HBM3', 85, 'H100'],
    ['NVIDIA H200', 150, 'H200'],
    ['NVIDIA RTX PRO 6000 Blackwell Server Edition', 102, 'RTX PRO 6000'],
    ['Tesla V100-SXM2-16GB', 16, null],
  ] as const)('knows %s with %s GB as %s', (name, gb, expected) => {
    expect(acceleratorOf({ name, vramBytes: gb * 1e9 })).toBe(expected);
  });

  it('names the source and the day of every price', () => {
    const prices = ACCELERATOR_NAMES.flatMap((name) => factsOf(name).price ?? []);
    expect(prices.length).toBeGreaterThan(4);
    for (const { source, asOf } of prices) {
      expect(source).not.toBe('');
      expect(asOf).toMatch(/^\d{4}-\d{2}-\d{2}$/);
    }
  });
});

describe('the forecast of a run', () => {
  it('and the prediction at the worker take one and the same time for a step', () => {
    for (const profile of ['t4', 'l4', 'a100', 'h100']) {
      const config = configOf(profile);
      const needs = trainingNeeds(FLUX, config.training, config.dataset.resolution);
      for (const name of ACCELERATOR_NAMES) {
        const machine = { name: String(ACCELERATORS[name].driver.source.replaceAll('\\b', '')) };
        const seconds = microStepSeconds(needs, { name: 'x' }, config.training.precision);
        expect(seconds).toBeNull();
        if (acceleratorOf(machine) !== name) continue;
        const step = microStepSeconds(needs, machine, config.training.precision) ?? 0;
        const forecast = forecastOf(profile)(name);
        expect(forecast.secondsPerStep / (step * config.training.accumulation)).toBeCloseTo(1, 2);
      }
    }
  });

  it('has a step of FLUX.1-dev at 768 pixels within the range that is measured on an A100', () => {
    const a100 = forecastOf('a100')('A100 40 GB');
    expect(a100.secondsPerStep).toBeGreaterThan(1);
    expect(a100.secondsPerStep).toBeLessThan(8);
    expect(a100.fits).toBe(true);
    expect(forecastOf('a100')('T4').fits).toBe(false);
    // About 800 pictures of 28 steps; an A100 is known to need 10 to 20 s for one of this size.
    expect(a100.evaluationHours).toBeGreaterThan((800 * 5) / 3600);
    expect(a100.evaluationHours).toBeLessThan((800 * 20) / 3600);
  });

  it('counts held-out losses and validation images: a fifth of the training besides', () => {
    const alone = forecastOf('l4', { training: { heldOutEvery: 100_000, sampleEvery: 0 } })('L4').hours;
    expect(forecastOf('l4')('L4').hours / alone).toBeGreaterThan(1.15);
    expect(forecastOf('l4')('L4').hours / alone).toBeLessThan(1.3);
  });

  it('paints half where the base’s pictures are shared already and no checkpoint is chosen', () => {
    const change = { evaluation: { checkpoints: 1 } };
    const painted = (basePainted: boolean) =>
      workOf(configOf('a100', change), { ...FACTS, basePainted }).painting.images;
    expect(painted(false) - painted(true)).toBe(320 * 28);
  });

  it('has paintings judged as the evaluation does: once a session, copies both ways round', () => {
    // The same figures are counted in the trainer: `test_every_painting_is_judged_once_a_session`.
    const config = configOf('t4', { evaluation: { checkpoints: 2 } });
    const facts = { ...FACTS, train: 48, heldOut: 16, unseen: 8, neighbors: 24 };
    const { features, copies, clip, style, preference } = workOf(config, facts).judged;
    const samples = 2 * sampleSet(config).length;
    const chosen = 2 * 2 * choiceSamples(config).length;
    expect(features - samples - chosen).toBe(96);
    expect(copies - samples - chosen).toBe(168);
    expect([clip - samples, style - samples, preference - samples]).toEqual([8, 8, 0]);
  });

  it('encodes no view that is not drawn, and never more than there are', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 20_000 }), fc.integer({ min: 1, max: 5000 }), (train, steps) => {
        const config = configOf('t4', { training: { steps, warmupSteps: 0 } });
        const { views } = workOf(config, { ...FACTS, train });
        expect(views.images).toBeLessThanOrEqual(Math.min(steps * 4, Math.ceil(train * 3.7)) + 24);
        expect(views.images).toBeGreaterThan(0);
      }),
    );
    // The default run draws 8,000 views of 21,500: 6,700 different ones instead of all.
    expect(workOf(configOf('l4'), FACTS).views.images).toBeGreaterThan(6000);
    expect(workOf(configOf('l4'), FACTS).views.images).toBeLessThan(7500);
  });

  it('calls a budget impossible only when it is far too small on the fastest accelerator that fits', () => {
    const config = configOf('a100', { training: { steps: 10_000 } });
    const of = (vramBytes: number) => forecastRun({ shape: FLUX, config, vramBytes }, FACTS);
    const { hours, encodingHours } = of(50e9).find(({ gpu }) => gpu === 'H200') ?? of(50e9)[0] ?? never();
    const all = hours + encodingHours;
    expect(impossibleBudget(of(50e9), { gpuHours: all / 2 })).toBeNull();
    expect(impossibleBudget(of(50e9), { gpuHours: all / 5 })).toMatch(/fastest GPU \(H[12]00\)/);
    expect(impossibleBudget(of(1e12), { gpuHours: 1000 })).toMatch(/more memory/);
  });

  it('has room for the latents: half as much in half precision, and a sequence of T5 for every caption of a captioner', () => {
    const genre = mostLatentBytes(configOf('l4'));
    expect(genre / 1e9).toBeGreaterThan(1);
    expect(genre / 1e9).toBeLessThan(1.6);
    const captioner = { repo: 'Salesforce/blip-image-captioning-large' };
    expect(mostLatentBytes(configOf('l4', { dataset: { captioner } })) / 1e9).toBeGreaterThan(30);
  });

  it('grows with everything that is more to do', () => {
    const hours = (profile: string, change: object) => {
      const { training, encoding, judging } = loadOf(
        FLUX,
        configOf(profile, change),
        workOf(configOf(profile, change), FACTS),
      );
      return training.halfTeraFlops + encoding.fp32TeraFlops + judging.halfTeraFlops;
    };
    for (const change of [
      { training: { steps: 3000 } },
      { training: { heldOutEvery: 50 } },
      { training: { sampleEvery: 100 } },
      { evaluation: { seedsPerPrompt: 8 } },
      { evaluation: { checkpoints: 5 } },
      { dataset: { resolution: 1024 } },
    ])
      expect(hours('a100', change)).toBeGreaterThan(hours('a100', {}));
  });
});

function never(): never {
  throw new Error('expected a forecast');
}
