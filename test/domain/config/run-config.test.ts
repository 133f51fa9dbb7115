import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { PROFILES } from '../../../src/domain/config/profiles.ts';
import { describeProblems, mergeDeep, parseRunConfig } from '../../../src/domain/config/run-config.ts';

function problems(input: unknown): string {
  const parsed = parseRunConfig(input);
  return parsed.ok ? '' : describeProblems(parsed.problems);
}

describe('parseRunConfig', () => {
  it.each([{}, undefined, null])('fills every default from %p', (input) => {
    const parsed = parseRunConfig(input);
    expect(parsed.ok && parsed.value.profile).toBe('tiny');
  });

  it.each(PROFILES)('accepts profile %s as it is', (profile) => {
    expect(problems({ profile })).toBe('');
  });

  it('lets the input win over its profile, field by field', () => {
    const parsed = parseRunConfig({ profile: 'tiny', training: { rank: 32 } });
    expect(parsed.ok && parsed.value.training).toMatchObject({ rank: 32, precision: 'fp32' });
  });

  it('refuses a rule on a metric that nobody measures, before anything starts', () => {
    const rules = (metric: string) => ({ gate: { rules: [{ metric, must: 'above', threshold: 0 }] } });
    expect(problems(rules('kid.improvement'))).toBe('');
    expect(problems(rules('kid.improvment'))).toMatch(
      /^gate\.rules\.0\.metric: expected a metric that is measured \(.*kid\.improvement.*got kid\.improvment$/,
    );
    const clip = { evaluation: { models: { clip: 'openai/clip-vit-large-patch14' } } };
    expect(problems(rules('adherence.clipGain'))).toMatch(
      /expected evaluation\.models\.clip to name a model/,
    );
    expect(problems({ ...rules('adherence.clipGain'), ...clip })).toBe('');
  });

  it('lists all offending fields at once, with what was expected and what came', () => {
    const text = problems({ nmae: 1, training: { rank: 0, learnngRate: 1 }, gate: { confidence: 'high' } });
    for (const part of [
      'nmae: unknown field',
      'training.rank',
      'got 0',
      'training.learnngRate',
      'gate.confidence',
    ])
      expect(text).toContain(part);
  });

  it('names an unknown profile as the offending field', () => {
    expect(problems({ profile: 'tpu' })).toMatch(/^profile: .*got "tpu"$/);
  });

  it('refuses combinations that cannot work', () => {
    expect(problems({ training: { steps: 5, warmupSteps: 5 } })).toContain('training.warmupSteps');
    expect(problems({ dataset: { heldOutFraction: 0.4, testFraction: 0.4 } })).toContain(
      'dataset.heldOutFraction',
    );
    expect(problems({ deployment: { private: false } })).toContain('deployment.licenseSignOff');
  });

  it('refuses anything that is not an object', () => {
    for (const input of [3, 'tiny', [], true]) expect(problems(input)).not.toBe('');
  });

  it('is a projection: parsing what it returned changes nothing', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...PROFILES),
        fc.record(
          { seed: fc.nat(1000), training: fc.record({ rank: fc.integer({ min: 1, max: 256 }) }) },
          { requiredKeys: [] },
        ),
        (profile, input) => {
          const once = parseRunConfig({ profile, ...input });
          if (!once.ok) throw new Error(describeProblems(once.problems));
          expect(parseRunConfig(once.value)).toEqual(once);
        },
      ),
    );
  });
});

describe('mergeDeep', () => {
  it('never changes its arguments', () => {
    fc.assert(
      fc.property(fc.object({ maxDepth: 3 }), fc.object({ maxDepth: 3 }), (under, over) => {
        const before = JSON.stringify([under, over]);
        mergeDeep(under, over);
        expect(JSON.stringify([under, over])).toBe(before);
      }),
    );
  });

  it('ignores inherited names, so that a key such as __proto__ cannot reach a prototype', () => {
    mergeDeep({}, JSON.parse('{"__proto__": {"polluted": true}}'));
    expect(({} as Record<string, unknown>).polluted).toBeUndefined();
  });

  it('takes a retired field at its default, as recorded histories hold it, and refuses it at any other value', () => {
    expect(parseRunConfig({ dataset: { captioner: null, captionerRevision: 'main' } }).ok).toBe(true);
    expect(parseRunConfig({ dataset: { captionerRevision: 'v2' } }).ok).toBe(false);
  });

  it('takes a captioner by its repository, and says what is wrong with one that cannot be used', () => {
    const captionerOf = (captioner: unknown) => parseRunConfig({ dataset: { captioner } });
    const parsed = captionerOf({ repo: 'someone/a-model' });
    expect(parsed.ok && parsed.value.dataset.captioner).toEqual({
      ...{ repo: 'someone/a-model', revision: 'main', maxTokens: 60, batchSize: 4 },
    });
    expect(captionerOf('someone/a-model')).toMatchObject({ problems: [{ field: 'dataset.captioner' }] });
    const wrong = captionerOf({ repo: 'no-owner', maxTokens: 0, model: 'x' });
    const fields = wrong.ok ? [] : wrong.problems.map(({ field }) => field);
    expect(fields.sort()).toEqual([
      'dataset.captioner.maxTokens',
      'dataset.captioner.model',
      'dataset.captioner.repo',
    ]);
  });
});
