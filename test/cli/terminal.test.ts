import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import pc, { forTerminal, shownWidth, writeLine } from '../../src/cli/colors.ts';
import { table } from '../../src/cli/output.ts';
import { progressWords } from '../../src/cli/progress-line.ts';
import { RollbackInput } from '../../src/domain/config/release-inputs.ts';
import { parseFields, parseRunConfig } from '../../src/domain/config/run-config.ts';

const HOSTILE = '\u001b]0;PWNED\u0007\u001b[31mred\u009b2J\u202eback';
const SPELLED = '\\u001b]0;PWNED\\u0007\\u001b[31mred\\u009b2J\\u202eback';

describe('what is written to a terminal', () => {
  it('spells out codes of others, also inside our colors and tables', () => {
    const written: string[] = [];
    const out = { write: (text: string) => written.push(text) };
    writeLine(out, HOSTILE);
    writeLine(out, pc.red(HOSTILE));
    writeLine(out, table(['run'], [[HOSTILE]]));
    // biome-ignore lint/suspicious/noControlCharactersInRegex: the colors that may be there.
    const bare = written.map((text) => text.replaceAll(/\u001b\[\d+m/g, '').trimEnd());
    expect(bare).toEqual([SPELLED, SPELLED, `run\n${SPELLED}`]);
  });

  it('keeps lines and tabs, and counts what is shown', () => {
    expect(forTerminal('a\n\tb')).toBe('a\n\tb');
    expect(shownWidth(pc.bold('four'))).toBe(4);
  });

  it('goes through one function: no command writes to a stream by itself', () => {
    const folder = 'src/cli';
    const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((file) =>
      file.endsWith('.ts'),
    );
    const writers = files.filter((file) =>
      /\b(stdout|stderr|out)\.write\((?!`\\r|'stopping)/.test(readFileSync(join(folder, file), 'utf8')),
    );
    expect(writers).toEqual(['colors.ts']);
  });
});

describe('input', () => {
  it.each(['a\u001b[2J', 'two\nlines', 'tab\t', 'right\u202eleft'])(
    'refuses %j as trigger, style or label',
    (text) => {
      const parsed = parseRunConfig({
        dataset: { trigger: text, style: text, genres: [text], artists: [text] },
      });
      expect(parsed).toMatchObject({ ok: false });
      expect(parsed.ok ? [] : parsed.problems.map(({ field }) => field)).toEqual([
        ...['dataset.style', 'dataset.genres.0', 'dataset.artists.0', 'dataset.trigger'],
      ]);
    },
  );

  it('names a field called __proto__ as unknown, at any depth', () => {
    const input = JSON.parse('{"__proto__":{"a":1},"training":{"__proto__":{"steps":1}}}');
    const parsed = parseRunConfig(input);
    expect(parsed.ok ? [] : parsed.problems.map(({ field }) => field)).toEqual([
      'training.__proto__',
      '__proto__',
    ]);
    expect(parseFields(RollbackInput, JSON.parse('{"model":"m","__proto__":1}')).ok).toBe(false);
  });
});

describe('the line about work under way', () => {
  const training = {
    stage: 'train',
    figures: 'loss 0.791  held-out 0.864',
    etaSeconds: 30.6,
    done: 150,
    total: 300,
  };

  it('has amount with its unit and the time left first, and never more than the columns that there are', () => {
    expect(progressWords(training, 60)).toBe('150 of 300  30.6 s left  train  loss 0.791  held-out 0.864');
    expect(progressWords(training, 40)).toBe('150 of 300  30.6 s left  train');
    const bytes = { ...training, stage: 'download dataset', figures: '', done: 700_877, total: 19_726_498 };
    expect(progressWords(bytes, 80)).toBe('0.7 of 19.7 MB  30.6 s left  download dataset');
    for (let columns = 0; columns < 100; columns++)
      expect(progressWords(training, columns).length).toBeLessThanOrEqual(columns);
  });
});
