import { expect, it } from '@jest/globals';
import { measureDefects } from './planted-defects.ts';

it('finds every kind of planted fault and nothing else; bench/defects.ts is the long form', async () => {
  const { scores } = await measureDefects({ seed: 4242, images: 150 });
  const wrong = [...scores]
    // Doubts are hints, and a signature that is not there costs a flip only.
    .filter(([name]) => name !== 'label doubts' && name !== 'never mirrored')
    .flatMap(([name, score]) => score.wrong.map((line) => `${name}: ${line}`));
  expect(wrong).toEqual([]);
}, 240_000);
