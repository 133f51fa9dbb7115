import { expect, it } from '@jest/globals';
import fc from 'fast-check';
import { makePairs, type Pair, PairSheet, pairsNeeded } from '../../../src/domain/evaluation/human-pairs.ts';
import {
  Ballot,
  ballotProblems,
  clusteredWinRate,
  humanFigures,
  type Vote,
} from '../../../src/domain/evaluation/human-votes.ts';
import { Sha256 } from '../../../src/domain/refs.ts';

const SHA = Sha256.parse('a'.repeat(64));
const samples = Array.from({ length: 40 }, (_, i) => ({
  id: `landscape-${i >> 1}-s${i % 2}`,
  promptId: `landscape-${i >> 1}`,
  text: `scene ${i >> 1}`,
  trigger: i < 36,
}));

function sheetOf(seed: number, most = 60): PairSheet {
  return PairSheet.parse({
    ...{ format: 1, adapterSha256: SHA, production: null, sampleSetSha256: SHA, seed },
    pairs: makePairs({ samples, opponents: ['production', 'base'], seed, most }),
  });
}

/** A ballot of somebody who prefers the candidate with this chance, whichever side it is on. */
function ballotOf(
  sheet: PairSheet,
  prefers: (pair: Pair, index: number) => boolean,
  rater = 'Berthe',
): Ballot {
  const votes = sheet.pairs.map((pair, index): Vote => {
    const other = pair.candidate === 'left' ? 'right' : 'left';
    const answer = prefers(pair, index) ? pair.candidate : other;
    return { pair: pair.id, style: answer, prompt: answer, quality: answer };
  });
  return Ballot.parse({ format: 1, sheetSha256: SHA, rater, votes });
}

it('shows every prompt before a second picture of any, with sides and order drawn and repeats turned round', () => {
  fc.assert(
    fc.property(fc.nat(1e6), fc.integer({ min: 10, max: 80 }), (seed, most) => {
      const pairs = makePairs({ samples, opponents: ['production', 'base'], seed, most });
      const first = pairs.filter(({ repeatOf }) => repeatOf === null);
      expect(first).toHaveLength(Math.min(most, 72));
      expect(new Set(pairs.map(({ id }) => id)).size).toBe(pairs.length);
      expect(new Set(first.map(({ sample, against }) => `${sample} ${against}`)).size).toBe(first.length);
      expect(pairs.every(({ sample }) => samples.some(({ id, trigger }) => id === sample && trigger))).toBe(
        true,
      );
      const counts = [...new Set(samples.filter((s) => s.trigger).map((s) => s.promptId))].map(
        (prompt) => first.filter(({ promptId }) => promptId === prompt).length,
      );
      expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(2);
      for (const pair of pairs.filter(({ repeatOf }) => repeatOf !== null)) {
        const before = first.find(({ id }) => id === pair.repeatOf);
        expect(before).toMatchObject({ sample: pair.sample, against: pair.against });
        expect(before?.candidate).not.toBe(pair.candidate);
      }
    }),
    { numRuns: 100 },
  );
});

it('draws sides about evenly, and the same pairs from the same seed', () => {
  const sheets = Array.from({ length: 50 }, (_, seed) => sheetOf(seed));
  const left = sheets.flatMap(({ pairs }) =>
    pairs.map(({ candidate }): number => Number(candidate === 'left')),
  );
  const share = left.reduce((sum, one) => sum + one, 0) / left.length;
  expect(share).toBeGreaterThan(0.46);
  expect(share).toBeLessThan(0.54);
  expect(sheetOf(3)).toEqual(sheetOf(3));
  expect(sheetOf(3)).not.toEqual(sheetOf(4));
});

it('counts wins of the candidate whichever side it was on, repeats only for agreement', () => {
  const sheet = sheetOf(1);
  const always = humanFigures(sheet, [ballotOf(sheet, () => true)], 'production', 0.95);
  expect(always?.metrics['human.winRate']).toMatchObject({ estimate: 1, high: 1 });
  expect(always?.metrics['human.winRate'].low).toBeLessThan(0.97);
  expect(always?.selfAgreement).toBe(1);
  const first = sheet.pairs.filter(({ repeatOf, against }) => repeatOf === null && against === 'production');
  expect(always?.votes).toBe(first.length);
  // Somebody who looks at sides alone: half the wins, no agreement.
  const leftist = { ...ballotOf(sheet, ({ candidate }) => candidate === 'left'), rater: 'left' };
  const found = humanFigures(sheet, [leftist], 'production', 0.95);
  expect(found?.selfAgreement).toBe(0);
  expect(Math.abs((found?.metrics['human.winRate'].estimate ?? 0) - 0.5)).toBeLessThan(0.25);
  expect(humanFigures(sheet, [], 'base', 0.95)).toBeNull();
});

it('refuses votes on other pairs, on unknown ones and twice on one, all at once', () => {
  const sheet = sheetOf(1);
  const ballot = ballotOf(sheet, () => true);
  expect(ballotProblems(ballot, sheet, SHA)).toEqual([]);
  const [vote] = ballot.votes as [Vote];
  const bad = { ...ballot, votes: [...ballot.votes, vote, { ...vote, pair: 'p999' }] };
  expect(ballotProblems(bad, sheet, 'b'.repeat(64)).map((problem) => problem.split(':')[0])).toEqual([
    'sheetSha256',
    'votes',
    'votes',
  ]);
  expect(Ballot.safeParse({ ...ballot, rater: 'x\u001b[2J' }).success).toBe(false);
});

it('reckons about 210 pairs and 28 minutes for "above 0.45 when the truth is 0.55"', () => {
  const needed = pairsNeeded({ threshold: 0.45, truth: 0.55, confidence: 0.95, power: 0.9 });
  expect(needed).toBe(212);
  expect(Math.round((needed * 8) / 60)).toBe(28);
  expect(pairsNeeded({ threshold: 0.5, truth: 0.5, confidence: 0.95, power: 0.9 })).toBe(Infinity);
});

it('holds its level with votes that resemble each other within a prompt', () => {
  let state = 7;
  const random = () => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return state / 2 ** 32;
  };
  const rounds = 2000;
  for (const prompts of [8, 20, 60]) {
    let above = 0;
    let below = 0;
    for (let round = 0; round < rounds; round++) {
      const votes = Array.from({ length: prompts }, (_, prompt) => {
        const own = random() < 0.5 ? 0.3 : 0.8;
        return Array.from({ length: 4 }, () => ({ points: Number(random() < own), cluster: String(prompt) }));
      }).flat();
      const { low, high } = clusteredWinRate(votes, 0.95, '');
      above += Number((low ?? 0) > 0.55);
      below += Number((high ?? 1) < 0.55);
    }
    expect(above / rounds).toBeLessThan(0.065);
    expect(below / rounds).toBeLessThan(0.065);
    expect(above / rounds + below / rounds).toBeGreaterThan(0.02);
  }
});
