import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { contentOf } from '../../../src/domain/dataset/caption-content.ts';
import { isOfStyle } from '../../../src/domain/dataset/caption-words.ts';
import { describedCaption } from '../../../src/domain/dataset/captions.ts';

const ARTISTS = [
  'claude-monet',
  'Pierre-Auguste Renoir',
  'Frédéric Edwin Church',
  'vincent-van-gogh',
  'Unknown Artist',
];

describe('the content of a description', () => {
  it.each([
    ['a painting of a woman in a garden', 'a woman in a garden'],
    ['an oil painting of two women by claude monet', 'two women'],
    ['This is a painting of a boat on a lake.', 'a boat on a lake'],
    [
      'In this painting, a woman stands near a river. The brushstrokes are loose.',
      'a woman stands near a river',
    ],
    ['a garden with impressionist brushstrokes of blue', 'a garden'],
    ['Two boats in the style of an old master, at dawn', 'Two boats, at dawn'],
    ['a garden in winter by Van Gogh', 'a garden in winter'],
    ["Pierre Auguste Renoir's painting shows a dance hall", 'a dance hall'],
    ['an impressionist garden by Monet', 'a garden'],
    ['a church on a hill by FREDERIC EDWIN CHURCH', 'a church on a hill'],
    [
      'Titled "Impression, Sunrise", the picture depicts a harbour; the sky is red.',
      'a harbour, the sky is red',
    ],
    ['a post-impressionist still life of apples', 'a still life of apples'],
    ['a boat boat boat on the river', 'a boat on the river'],
    ['Caption: a man\nand a dog in the rain', 'a man and a dog in the rain'],
    ['children with a school bag in the street', 'children with a school bag in the street'],
    ['two boats and a painting of a tree', 'two boats and a tree'],
    ['an oil-painted boat at a mill', 'a boat at a mill'],
    ['a hill in palette-knife patches', 'a hill'],
    ['oil on canvas', ''],
    ['The brushwork is loose, the palette bright.', ''],
    ['', ''],
  ])('of %j is %j', (text, content) => {
    expect(contentOf(text, ARTISTS)).toBe(content);
  });

  const styled = fc.constantFrom(
    ...[
      'painting',
      'oil-painted',
      'Painted',
      'oil',
      'on canvas',
      'impressionist',
      'Post-Impressionism',
      'in the style of',
      'brush-strokes',
    ],
    ...[
      'by',
      'claude monet',
      'Monet’s',
      'RENOIR',
      'Vincent',
      'van',
      'Gogh',
      'Édwin',
      'artwork',
      'titled "Dawn"',
      'style:',
    ],
  );
  const plain = fc.constantFrom(
    ...[
      'a',
      'an',
      'the',
      'of',
      'in',
      'with',
      'is',
      'and',
      'woman',
      'boat',
      'river',
      'light',
      ',',
      '.',
      '—',
      'artist',
      'tree',
    ],
  );
  const descriptions = fc.oneof(
    fc
      .array(fc.oneof(styled, plain, fc.string({ unit: 'grapheme', maxLength: 6 })), { maxLength: 24 })
      .map((w) => w.join(' ')),
    fc.string({ unit: 'grapheme', maxLength: 80 }),
  );
  const words = (text: string): string[] =>
    text
      .normalize('NFD')
      .replaceAll(/\p{M}/gu, '')
      .toLowerCase()
      .split(/[^\p{L}\p{N}]+/u);

  it('has no word of style or medium and no name of an artist, and is its own content, whatever a model says', () => {
    fc.assert(
      fc.property(descriptions, (text) => {
        const content = contentOf(text, ARTISTS);
        expect(words(content).filter(isOfStyle)).toEqual([]);
        const together = ` ${words(content).join(' ')} `;
        for (const name of ['claude monet', 'monet', 'renoir', 'gogh', 'frederic edwin church'])
          expect(together).not.toContain(` ${name} `);
        expect(contentOf(content, ARTISTS)).toBe(content);
        expect(content).toMatch(/^$|^\S.*\S$|^\S$/u);
      }),
      { numRuns: 500 },
    );
  });

  it('keeps every word of a description that speaks of content alone', () => {
    const content = fc.constantFrom(
      'woman',
      'boat',
      'river',
      'garden',
      'bridge',
      'snow',
      'horses',
      'evening',
      'clouds',
    );
    fc.assert(
      fc.property(fc.uniqueArray(content, { minLength: 2 }), (nouns) => {
        const text = nouns.map((noun) => `the ${noun}`).join(' near ');
        expect(contentOf(text, ARTISTS)).toBe(text);
        expect(contentOf(`An oil painting of ${text} by Claude Monet.`, ARTISTS)).toBe(text);
      }),
    );
  });
});

describe('a caption from a description', () => {
  const caption = (text: string, limit = 1000) =>
    describedCaption({
      ...{ text, genre: 'landscape', trigger: 'plnr impressionism', artists: ARTISTS },
      fits: (whole) => whole.split(' ').length <= limit,
    });

  it('ends with the trigger phrase, and says whether words were taken out', () => {
    expect(caption('a boat on a lake.')).toEqual({
      ...{ caption: 'a boat on a lake, plnr impressionism', described: true, cleaned: false, cut: false },
    });
    expect(caption('a painting of a boat on a lake')).toMatchObject({
      ...{ caption: 'a boat on a lake, plnr impressionism', cleaned: true },
    });
  });

  it('is that of the genre where nothing of the description is left', () => {
    expect(caption('oil on canvas')).toEqual({
      ...{ caption: 'a landscape painting, plnr impressionism', described: false, cleaned: true, cut: false },
    });
    expect(caption('')).toMatchObject({ described: false, cleaned: false });
  });

  it('is cut at a clause where that keeps more than half, else at a word, and never ends on a word that leads on', () => {
    const text = 'two women on a bridge, a boat in the shade of old trees';
    expect(caption(text, 2 + 13)).toMatchObject({ cut: false });
    expect(caption(text, 2 + 8)).toEqual({
      ...{ caption: 'two women on a bridge, plnr impressionism', described: true, cleaned: false, cut: true },
    });
    expect(caption(text, 2 + 4).caption).toBe('two women, plnr impressionism');
    expect(caption(text, 2)).toMatchObject({
      caption: 'a landscape painting, plnr impressionism',
      described: false,
    });
  });

  it('always fits where anything of the description does, ends with the trigger and is never empty', () => {
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom('a', 'boat', 'of', 'river,', 'tree', 'near', 'sky.', 'oil')),
        fc.nat(30),
        (w, limit) => {
          const made = caption(w.join(' '), limit);
          expect(made.caption.endsWith(', plnr impressionism')).toBe(true);
          if (made.described) expect(made.caption.split(' ').length).toBeLessThanOrEqual(limit);
        },
      ),
    );
  });
});
