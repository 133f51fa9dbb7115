import { expect, it } from '@jest/globals';
import { promptCoverage } from '../../../src/domain/dataset/prompt-coverage.ts';
import { labelDoubts, STYLE_FEATURES } from '../../../src/domain/dataset/style.ts';

/** A picture whose features lie around the style's own place, spread by its number. */
function pictureOf(style: string, at: number, looksLike = style) {
  const center = looksLike === 'Impressionism' ? 0 : 4;
  const features = STYLE_FEATURES.map((_, f) => center + Math.sin(at * 7.1 + f * 3.3));
  return { id: `${style}-${at}`, style, features };
}

it('doubts the one picture that sits with another style, and no other', () => {
  const pictures = Array.from({ length: 40 }, (_, at) => [
    pictureOf('Impressionism', at, at === 7 ? 'Cubism' : 'Impressionism'),
    pictureOf('Cubism', at),
  ]).flat();
  const doubts = labelDoubts(pictures, 'Impressionism', 4);
  expect(doubts.map(({ id, looksLike }) => [id, looksLike])).toEqual([['Impressionism-7', 'Cubism']]);
});

it('has no doubt where there is nothing to compare with', () => {
  expect(labelDoubts([pictureOf('Impressionism', 1)], 'Impressionism', 4)).toEqual([]);
});

it('finds the words of a prompt that no caption has, whatever their number', () => {
  const [boats] = promptCoverage(['a river with boats'], ['a boat on the sea, plnr', 'a tree, plnr'], 'plnr');
  expect(boats).toMatchObject({ known: ['boat'], unknown: ['river'], pictures: 1 });
});
