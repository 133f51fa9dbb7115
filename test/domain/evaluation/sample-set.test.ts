import { createHash } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { parseRunConfig, type RunConfig } from '../../../src/domain/config/run-config.ts';
import {
  choiceSamples,
  genreOf,
  PROMPT_SETS,
  sampleSeed,
  sampleSet,
  sampleSetText,
} from '../../../src/domain/evaluation/sample-set.ts';
import { SampleRequest } from '../../../src/domain/trainer-protocol.ts';

const config = (input: unknown = {}): RunConfig => {
  const parsed = parseRunConfig(input);
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.problems));
  return parsed.value;
};
const both = Object.keys(PROMPT_SETS) as (keyof typeof PROMPT_SETS)[];

describe('the standard sample sets', () => {
  it.each(['standard-v2', 'tiny-v2'] as const)('%s has 60 prompts or more, some of them sealed', (name) => {
    const prompts = PROMPT_SETS[name];
    expect(prompts.length).toBeGreaterThanOrEqual(60);
    const sealed = prompts.filter((p) => p.sealed);
    expect(sealed.length).toBeGreaterThanOrEqual(14);
    // Every slice that the gate asks for on its own has a sealed part, too.
    for (const slice of [
      'landscape',
      'water',
      'city',
      'portrait',
      'interior',
      'still_life',
      'crowd',
      'night',
    ])
      expect(sealed.map((p) => p.slice)).toContain(slice);
  });

  it.each(both)('of %s share no prompt, seed or id with what checkpoints are chosen by', (promptSet) => {
    const c = config({ evaluation: { promptSet } });
    const [choice, gate] = [choiceSamples(c), sampleSet(c, 5)];
    expect(choice).toHaveLength(24);
    for (const key of ['prompt', 'seed', 'id', 'promptId'] as const) {
      const asked = new Set<unknown>(gate.map((sample) => sample[key]));
      expect(choice.filter((sample) => asked.has(sample[key]))).toEqual([]);
    }
    expect(choice.every(({ trigger }) => trigger)).toBe(true);
    expect(choiceSamples(c, 6).map(({ asks }) => asks)).toHaveLength(6);
  });

  it.each(both)(
    'of %s are asked for a genre where one can be told, and one slice at least for none',
    (promptSet) => {
      const asks = new Map(PROMPT_SETS[promptSet].map((prompt) => [prompt.slice, genreOf(prompt)]));
      expect(asks.get('landscape')).toBe('landscape');
      expect(asks.get('still_life')).toBe('still_life');
      expect(genreOf({ slice: 'night', text: 'a genre painting of a woman in red' })).toBe('genre_painting');
      expect(genreOf({ slice: 'night', text: 'a street in the rain' })).toBeNull();
    },
  );

  it('ask every prompt for further seeds at a further look, and leave the first look as it was', () => {
    const first = sampleSet(config());
    const second = sampleSet(config(), 2);
    expect(second.slice(0, first.length)).toEqual(first);
    expect(second).toHaveLength(2 * first.length);
    expect(new Set(second.map((s) => s.id)).size).toBe(second.length);
    // Batches of 16 must not straddle two looks, or the first look's pictures would depend on the second.
    expect(first.length % 16).toBe(0);
  });

  it.each(['standard-v2', 'tiny-v2'] as const)(
    'of %s open other sealed prompts and seeds by rotation',
    (promptSet) => {
      const c = config({ evaluation: { promptSet } });
      const sets = [0, 1, 2].map((rotation) => sampleSet(c, 1, rotation));
      expect(sets[0]).toEqual(sampleSet(c));
      const texts = sets.map((set) => new Set(set.filter(({ sealed }) => sealed).map(({ text }) => text)));
      const choice = choiceSamples(c).map(({ text }) => text);
      const all = texts.flatMap((set) => [...set]);
      expect(new Set(all).size).toBe(all.length);
      expect(choice.filter((text) => all.includes(text))).toEqual([]);
      const open = new Set(PROMPT_SETS[promptSet].filter(({ sealed }) => !sealed).map(({ text }) => text));
      expect(all.filter((text) => open.has(text))).toEqual([]);
      const seeds = new Set(sets.flatMap((set) => set.map(({ seed }) => seed)));
      expect(seeds.size).toBe(3 * (sets[0]?.length ?? 0));
      for (const set of sets.slice(1)) {
        const counts = (of: typeof set) =>
          Object.fromEntries(
            [...new Set(of.map(({ genre }) => genre))].map((genre) => [
              genre,
              of.filter((sample) => sample.genre === genre && sample.sealed).length,
            ]),
          );
        expect(counts(set)).toEqual(counts(sets[0] ?? []));
        expect(set.map(({ asks }) => asks !== null)).toEqual(sets[0]?.map(({ asks }) => asks !== null));
        for (const { id, prompt, seed } of set) SampleRequest.parse({ id, prompt, seed });
      }
      // Once all batches were opened, the first one comes round, with seeds that nobody has seen.
      expect(sampleSet(c, 1, 3).map(({ text }) => text)).toEqual(sets[0]?.map(({ text }) => text));
      expect(sampleSet(c, 1, 3)[0]?.seed).not.toBe(sets[0]?.[0]?.seed);
    },
  );

  it('cover every slice that the gate is asked about', () => {
    expect([...new Set(PROMPT_SETS['standard-v2'].map((p) => p.slice))]).toEqual([
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
      text: 'a landscape painting of a river with trees in spring',
      asks: 'landscape',
      trigger: true,
      sealed: false,
    });
    const texts = (name: keyof typeof PROMPT_SETS) => PROMPT_SETS[name].map((p) => [p.id, p.text, p.sealed]);
    const hash = (name: keyof typeof PROMPT_SETS) =>
      createHash('sha256')
        .update(JSON.stringify(texts(name)))
        .digest('hex')
        .slice(0, 16);
    expect(Object.fromEntries(both.map((name) => [name, hash(name)]))).toEqual({
      'standard-v1': '92cb6e7465b5ce13',
      'standard-v2': 'f31bb800c9072960',
      'tiny-v1': 'ff40380665a5b7b7',
      'tiny-v2': 'e89d82a054641b1b',
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

  it('differs between neighboring runs', () => {
    expect(new Set(Array.from({ length: 1000 }, (_, run) => sampleSeed(run, 0, 0))).size).toBe(1000);
  });
});

describe('the identity of a set', () => {
  it('changes with every setting that changes a picture, and with nothing else', () => {
    const samples = [{ id: 'a', prompt: 'x', seed: 1 }];
    const settings = { size: 128, inferenceSteps: 12, guidance: 1, precision: 'fp32', quantization: 'none' };
    const text = sampleSetText(samples, settings);
    expect(text).toBe('["plein-air sample set 1",128,12,1,"fp32",[["a","x",1]]]');
    for (const change of [
      { size: 256 },
      { inferenceSteps: 8 },
      { guidance: 3.5 },
      { precision: 'bf16' },
      { quantization: 'nf4' },
    ])
      expect(sampleSetText(samples, { ...settings, ...change })).not.toBe(text);
  });
});
