import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { marked } from 'marked';
import {
  code,
  duration,
  escapeMarkdown,
  figure,
  markdownTable,
} from '../../../src/reports/render/markdown.ts';

const hostile = [
  '<img src=x onerror=alert(1)>',
  '[click](javascript:alert(1))',
  '| a | b |',
  '# heading',
  '1. list',
  '- item',
  '![x](http://evil.example/x.png)',
  'http://evil.example/auto',
  '`code`',
  '**bold** _it_ ~~s~~',
];

describe('Markdown', () => {
  it.each(hostile)('shows %j as the text it is', (text) => {
    const html = marked.parseInline(escapeMarkdown(text)) as string;
    expect(html).not.toMatch(/<(?!\/?p)/);
  });

  it('never lets text from outside become an element or leave its table cell', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 60 }), (text) => {
        const table = marked.parse(markdownTable(['a', 'b'], [[escapeMarkdown(text), 'x']])) as string;
        expect((table.match(/<td>/g) ?? []).length).toBe(2);
        expect(table.replaceAll(/<\/?(table|thead|tbody|tr|th|td)>/g, '')).not.toMatch(/</);
      }),
    );
  });

  it('keeps code within its fence', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1, maxLength: 40 }), (text) => {
        fc.pre(text.trim() !== '' && !/[\\|]/.test(text));
        const html = marked.parseInline(code(text)) as string;
        expect(html.startsWith('<code>') && html.endsWith('</code>')).toBe(true);
      }),
    );
  });

  it('writes figures without noise and says when there is none', () => {
    expect([figure(0.123456), figure(12), figure(1e-7), figure(null), figure(Number.NaN)]).toEqual([
      '0.1235',
      '12',
      '1.000e-7',
      'not measured',
      'not measured',
    ]);
  });

  it('says durations as people do', () => {
    expect([duration(2.04), duration(59.6), duration(185), duration(7800)]).toEqual([
      '2 s',
      '60 s',
      '3 min 5 s',
      '2 h 10 min',
    ]);
  });
});
