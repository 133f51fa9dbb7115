import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { parseRunConfig, type RunConfig } from '../../src/domain/run-config.ts';
import { PROMPT_SETS, sampleSeed, sampleSet, sampleSetText } from '../../src/domain/sample-set.ts';
import { SampleRequest } from '../../src/domain/trainer-protocol.ts';

const config = (input: unknown = {}): RunConfig => {
  const parsed = parseRunConfig(input);
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.problems));
  return parsed.value;
};
const both = Object.keys(PROMPT_SETS) as (keyof typeof PROMPT_SETS)[];

describe('the standard sample sets', () => {
  it('have 60 prompts or more for the real model and 16 for the tiny one', () => {
    expect(PROMPT_SETS['standard-v1'].length).toBeGreaterThanOrEqual(60);
    expect(PROMPT_SETS['tiny-v1']).toHaveLength(16);
  });

  it('cover every slice that the gate is asked about', () => {
    expect([...new Set(PROMPT_SETS['standard-v1'].map((p) => p.slice))]).toEqual([
      'landscape',
      'water',
      'city',
      'portrait',
      'interior',
      'still_life',
      'crowd',
      'night',
      'adherence',
      'trigger-free',
    ]);
  });

  it.each(both)('%s asks nothing twice, in ids that are file names', (promptSet) => {
    const samples = sampleSet(config({ evaluation: { promptSet } }));
    expect(new Set(samples.map((s) => s.id)).size).toBe(samples.length);
    expect(new Set(PROMPT_SETS[promptSet].map((p) => p.text)).size).toBe(PROMPT_SETS[promptSet].length);
    for (const { id, prompt, seed } of samples) SampleRequest.parse({ id, prompt, seed });
  });

  it.each(both)('%s gives every picture a seed of its own', (promptSet) => {
    const seeds = sampleSet(config({ evaluation: { promptSet, seedsPerPrompt: 16 } })).map((s) => s.seed);
    expect(new Set(seeds).size).toBe(seeds.length);
  });

  it('end every prompt with the trigger, except those that ask without it', () => {
    for (const sample of sampleSet(config({ evaluation: { promptSet: 'standard-v1' } })))
      expect(sample.prompt.endsWith(', plnr impressionism')).toBe(sample.genre !== 'trigger-free');
  });

  it('are the same whatever the training is like, so that every model is asked the same', () => {
    const a = sampleSet(config());
    expect(sampleSet(config({ training: { learningRate: 1e-4 }, sabotage: 'zero-lora' }))).toEqual(a);
    expect(sampleSet(config({ seed: 1 }))).not.toEqual(a);
  });

  it('keep the pictures they had when more seeds are asked for', () => {
    const few = sampleSet(config({ evaluation: { seedsPerPrompt: 2 } }));
    const more = new Map(sampleSet(config({ evaluation: { seedsPerPrompt: 5 } })).map((s) => [s.id, s]));
    for (const sample of few) expect(more.get(sample.id)).toEqual(sample);
  });

  it('never change once released', () => {
    const first = (promptSet: keyof typeof PROMPT_SETS) =>
      sampleSet(config({ evaluation: { promptSet } }))[0];
    expect(first('tiny-v1')).toEqual({
      id: 'landscape-01-s0',
      prompt: 'a landscape painting of a river with trees in spring, plnr impressionism',
      seed: sampleSeed(0, 0, 0),
      promptId: 'landscape-01',
      genre: 'landscape',
    });
  });
});

describe('a sample seed', () => {
  it('is a whole number of 31 bits for every run, prompt and draw', () => {
    const whole = fc.integer({ min: 0, max: 2 ** 31 - 1 });
    fc.assert(
      fc.property(whole, whole, whole, (run, prompt, draw) => {
        const seed = sampleSeed(run, prompt, draw);
        expect(Number.isInteger(seed) && seed >= 0 && seed < 2 ** 31).toBe(true);
      }),
    );
  });

  it('differs between neighbouring runs', () => {
    expect(new Set(Array.from({ length: 1000 }, (_, run) => sampleSeed(run, 0, 0))).size).toBe(1000);
  });
});

describe('the identity of a set', () => {
  it('changes with every setting that changes a picture, and with nothing else', () => {
    const samples = [{ id: 'a', prompt: 'x', seed: 1 }];
    const settings = { size: 128, inferenceSteps: 12, guidance: 1, precision: 'fp32', quantisation: 'none' };
    const text = sampleSetText(samples, settings);
    expect(text).toBe('["plein-air sample set 1",128,12,1,"fp32",[["a","x",1]]]');
    for (const change of [
      { size: 256 },
      { inferenceSteps: 8 },
      { guidance: 3.5 },
      { precision: 'bf16' },
      { quantisation: 'nf4' },
    ])
      expect(sampleSetText(samples, { ...settings, ...change })).not.toBe(text);
  });
});
