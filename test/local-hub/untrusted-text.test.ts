import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { splitCard } from '../../src/local-hub/cards/front-matter.ts';
import { parseYaml } from '../../src/local-hub/cards/parse-yaml.ts';
import { matchesGlob } from '../../src/local-hub/store/glob.ts';

/** The expression of the Hub's clients (`huggingface_hub.repocard.REGEX_YAML_BLOCK`). */
const CLIENTS = /^(\s*---[\r\n]+)([\S\s]*?)([\r\n]+---(\r\n|\n|$))/;

describe('front matter', () => {
  const pieces = fc.array(fc.constantFrom('---', '--', '\n', '\r', '\r\n', ' ', 'a: b', '\uFEFF', 'x'), {
    maxLength: 14,
  });

  it('is split where the clients split it', () => {
    fc.assert(
      fc.property(pieces, (parts) => {
        const card = parts.join('');
        const match = CLIENTS.exec(card);
        const { yaml, text } = splitCard(card);
        expect({ yaml, text }).toEqual({
          yaml: match?.[2],
          text: match ? card.slice(match[0].length) : card,
        });
      }),
      { numRuns: 3000 },
    );
  });

  it.each([
    ['a: 1\na: 2', 'Expected each key once, got "a" twice'],
    ['[', 'Flow sequence'],
    ['- a', 'Expected a mapping'],
    ['text', 'Expected a mapping'],
  ])('%j is refused', (yaml, problem) => {
    expect(parseYaml(yaml)).toEqual({ problem: expect.stringContaining(problem) });
  });

  it('keeps a key named __proto__ as a key', () => {
    expect(parseYaml('__proto__: {a: 1}\ntags: [x]')).toEqual({ json: '{"__proto__":{"a":1},"tags":["x"]}' });
  });
});

/** The same by the regular expression engine, which backtracks: for short patterns only. */
function byExpression(pattern: string, path: string): boolean {
  const source = pattern.replace(/\*{2,}\/?|[*?]|[^*?]+/g, (part) => {
    if (part.startsWith('**')) return '.*';
    if (part === '*') return '[^/]*';
    return part === '?' ? '[^/]' : part.replace(/[\\^$.|+()[\]{}]/g, '\\$&');
  });
  return new RegExp(`^${source}$`, 's').test(path);
}

describe('a glob', () => {
  const text = (...parts: string[]) =>
    fc.array(fc.constantFrom(...parts), { maxLength: 8 }).map((all) => all.join(''));

  it('matches what the expression matches', () => {
    fc.assert(
      fc.property(
        text('a', 'b', '*', '**', '**/', '?', '/', '.'),
        text('a', 'b', '/', '.'),
        (pattern, path) => {
          expect(matchesGlob(pattern, path)).toBe(byExpression(pattern, path));
        },
      ),
      { numRuns: 3000 },
    );
  });

  it('matches folders above a path where it should', () => {
    fc.assert(
      fc.property(text('a', 'b', '*', '?', '/'), text('a', 'b', '/'), (pattern, path) => {
        const names = path.split('/');
        const above = names.map((_, index) => names.slice(0, index + 1).join('/'));
        expect(matchesGlob(pattern, path, { folders: true })).toBe(
          above.some((folder) => byExpression(pattern, folder)),
        );
      }),
      { numRuns: 3000 },
    );
  });

  it('takes time in proportion to pattern and path', () => {
    const before = performance.now();
    expect(matchesGlob(`${'*a'.repeat(400)}b`, 'a'.repeat(1000))).toBe(false);
    expect(performance.now() - before).toBeLessThan(1000);
  });
});
