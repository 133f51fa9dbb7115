import { expect, it } from '@jest/globals';
import { fuzzParquet, fuzzPictures } from '../chaos/lib/fuzz-preparation.ts';

it('keeps or drops every mutated picture with a reason', async () => {
  const { problems } = await fuzzPictures(120, 11);
  expect(problems).toEqual([]);
});

it('reads or refuses every mutated parquet file', async () => {
  const { problems } = await fuzzParquet(300, 11);
  expect(problems).toEqual([]);
});
