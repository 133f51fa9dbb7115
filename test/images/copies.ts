import { parseRunConfig } from '../../src/domain/config/run-config.ts';
import { bucketsFor } from '../../src/domain/dataset/buckets.ts';
import { withoutNearDuplicates } from '../../src/domain/dataset/filters.ts';
import type { Candidate } from '../../src/domain/dataset/measures.ts';
import { splitPictures } from '../../src/domain/dataset/split.ts';
import { preparePicture } from '../../src/images/prepare-picture.ts';
import { reproduce } from './reproduce.ts';

/** How well copies are found among pictures of which each has one. */
export interface CopyScore {
  pictures: number;
  recall: number;
  precision: number;
  /** Pictures and copies of theirs that stayed and were dealt into two splits. */
  leaks: number;
  wrong: string[];
}

/** Makes one reproduction of each picture, prepares all and looks which copies are found and how those that stay are dealt. */
export async function scoreCopies(
  originals: readonly { name: string; bytes: Uint8Array }[],
  seed: number,
): Promise<CopyScore> {
  const parsed = parseRunConfig({ dataset: { minShortSide: 100, maxLetters: null } });
  if (!parsed.ok) throw new Error('expected the tiny profile to parse');
  const { dataset } = parsed.value;
  const candidates: Candidate[] = [];
  const add = async (name: string, bytes: Uint8Array) => {
    const made = await preparePicture(bytes, { ...dataset, minChroma: 0, minColorSpread: 0 }, bucketsFor(64));
    if (!made.ok) return;
    const { measures, pixels, bucket } = made;
    const words = { artist: '', genre: '', style: '', caption: '' };
    candidates.push({
      source: name,
      order: candidates.length,
      ...words,
      measures,
      pixels,
      bucket: { ...bucket },
    });
  };
  for (const [at, { name, bytes }] of originals.entries()) {
    await add(name, bytes);
    await add(`${name}~`, await reproduce(bytes, seed + at));
  }
  const paintingOf = (source: string) => source.replace(/~$/, '');
  const { kept, dropped } = await withoutNearDuplicates(candidates, dataset.nearDuplicateBits);
  const twinOf = (measured: unknown) => String(measured).replace(/: \d+ bits, [\d.]+$/, '');
  const wrong = dropped
    .filter(({ candidate, measured }) => paintingOf(candidate.source) !== paintingOf(twinOf(measured)))
    .map(({ candidate, measured }) => `${candidate.source} for ${measured}`);
  const split = new Map(
    (await splitPictures(kept, { ...dataset, testFraction: 0.1, seed: 0 })).pictures.map((p) => [
      p.candidate.source,
      p.split,
    ]),
  );
  const pairs = originals.filter(({ name }) =>
    [name, `${name}~`].every((n) => candidates.some((c) => c.source === n)),
  );
  const leaks = pairs.filter(({ name }) => {
    const [one, other] = [split.get(name), split.get(`${name}~`)];
    return one !== undefined && other !== undefined && one !== other;
  });
  const right = dropped.length - wrong.length;
  return {
    pictures: candidates.length,
    recall: right / pairs.length,
    precision: dropped.length === 0 ? 1 : right / dropped.length,
    leaks: leaks.length,
    wrong,
  };
}
