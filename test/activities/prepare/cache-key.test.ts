import { describe, expect, it } from '@jest/globals';
import { settingsOf, targetOf } from '../../../src/activities/prepare/cache-key.ts';
import { parseRunConfig } from '../../../src/domain/config/run-config.ts';
import { CommitSha, RepoId } from '../../../src/domain/refs.ts';
import type { RunContext } from '../../../src/domain/run/context.ts';
import { contextOf } from '../../workflow/fakes.ts';

const at = (digit: string) => CommitSha.parse(digit.repeat(40));
const captioner = { type: 'model' as const, repo: RepoId.parse('some/captioner'), commit: at('c') };

function context(settings: object | null, change: Partial<RunContext> = {}): RunContext {
  const parsed = parseRunConfig({ dataset: { captioner: settings } });
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.problems));
  return { ...contextOf(parsed.value, 'run'), ...(settings === null ? {} : { captioner }), ...change };
}

const keyOf = (c: RunContext) => targetOf(c).key;
const plain = { repo: 'some/captioner' };

describe('the key of a prepared dataset', () => {
  it('is another one for everything about a captioner that can change a caption', () => {
    const base = { ...context(plain).base, commit: at('b') };
    const keys = [
      context(null),
      context(plain),
      context({ ...plain, maxTokens: 61 }),
      context({ ...plain, batchSize: 5 }),
      context(plain, { captioner: { ...captioner, commit: at('d') } }),
      context(plain, { captioner: { ...captioner, repo: RepoId.parse('some/other') } }),
      context(plain, { base }),
    ].map(keyOf);
    expect(new Set(keys).size).toBe(keys.length);
  });

  it('is the same for a revision that stands for the same commit, and for another base without a captioner', () => {
    expect(keyOf(context({ ...plain, revision: 'v1' }))).toBe(keyOf(context(plain)));
    const base = { ...context(null).base, commit: at('b') };
    expect(keyOf(context(null, { base }))).toBe(keyOf(context(null)));
  });

  it('has nothing of captioners without one, so that datasets from before there were any are found', () => {
    expect(settingsOf(context(null).config.dataset)).not.toHaveProperty('captioner');
  });
});
