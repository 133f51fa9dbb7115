import { expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  alphaOf,
  CANDIDATES_PER_SET,
  describeStanding,
  Ledger,
  lookConfidence,
  nextRotation,
  shareOf,
  standingOf,
  withCandidate,
  withLook,
} from '../../../src/domain/evaluation/ledger.ts';
import { RunName, Sha256 } from '../../../src/domain/refs.ts';

const gate = { confidence: 0.95, looks: 2 };
const sha = (n: number) => Sha256.parse(n.toString(16).padStart(64, '0'));
const EMPTY: Ledger = { format: 1, candidates: [] };

function enter(ledger: Ledger, n: number, releases = 0, rotation = nextRotation(ledger, releases)) {
  const run = RunName.parse(`run-${n}`);
  const about = { candidate: sha(n), run, adapterSha256: sha(n), sampleSetSha256: sha(1000 + rotation) };
  return withCandidate(ledger, { ...about, rotation, releases, at: n, gate });
}

it('never lets all candidates for one release spend more than the error that was agreed', () => {
  fc.assert(
    fc.property(
      fc.double({ min: 0.8, max: 0.999, noNaN: true }),
      fc.integer({ min: 1, max: 400 }),
      (confidence, n) => {
        const spent = Array.from({ length: n }, (_, i) => alphaOf({ confidence }, i + 1));
        expect(spent.reduce((sum, one) => sum + one, 0)).toBeLessThanOrEqual((1 - confidence) * (1 + 1e-12));
        expect(spent.every((one, i) => i === 0 || one < (spent[i - 1] ?? 0))).toBe(true);
      },
    ),
  );
  expect(shareOf(1)).toBe(0.8);
  expect(lookConfidence(gate)).toBeCloseTo(0.98, 12);
  expect(lookConfidence(gate, 2)).toBeCloseTo(0.9975, 12);
});

it('gives the same candidate its own place again, and a new one the next; a release begins a new line', () => {
  const one = enter(EMPTY, 1);
  const two = enter(one.ledger, 2);
  expect([one.entry.place, two.entry.place]).toEqual([1, 2]);
  expect(enter(two.ledger, 1)).toEqual({ ledger: two.ledger, entry: one.entry });
  expect(enter(two.ledger, 3, 1).entry).toMatchObject({ place: 1, releases: 1, alpha: alphaOf(gate, 1) });
  Ledger.parse(two.ledger);
});

it('opens other sealed prompts after four candidates, and after every release', () => {
  let ledger = EMPTY;
  const rotations = Array.from({ length: 2 * CANDIDATES_PER_SET + 1 }, (_, n) => {
    const { ledger: next, entry } = enter(ledger, n);
    ledger = next;
    return entry.rotation;
  });
  expect(rotations).toEqual([0, 0, 0, 0, 1, 1, 1, 1, 2]);
  expect(nextRotation(enter(EMPTY, 1).ledger, 1)).toBe(1);
  expect(nextRotation(enter(EMPTY, 1).ledger, 0)).toBe(0);
});

it('says how many were tried before a candidate, and what became of them', () => {
  let ledger = enter(EMPTY, 1).ledger;
  ledger = withLook(ledger, sha(1), { look: 1, verdict: 'INCONCLUSIVE', at: 5 });
  ledger = withLook(ledger, sha(1), { look: 2, verdict: 'FAIL', at: 6 });
  ledger = enter(ledger, 2).ledger;
  ledger = withLook(ledger, sha(2), { look: 1, verdict: 'INCONCLUSIVE', at: 7 });
  ledger = enter(ledger, 3).ledger;
  const standing = standingOf(ledger, sha(3));
  expect(standing).toMatchObject({
    place: 3,
    before: { FAIL: 1, INCONCLUSIVE: 1, PASS: 0, unjudged: 0 },
    promptsSeen: 2,
  });
  expect(standing === null ? '' : describeStanding(standing)).toBe(
    'Candidate 3 for the first release, after 1 FAIL, 1 INCONCLUSIVE: its bounds may err in 0.17 %. The sealed prompts were asked by 2 before it.',
  );
  expect(standingOf(ledger, sha(9))).toBeNull();
});

it('keeps when a look was first judged, and takes another verdict of it', () => {
  const once = withLook(enter(EMPTY, 1).ledger, sha(1), { look: 1, verdict: 'PASS', at: 5 });
  expect(withLook(once, sha(1), { look: 1, verdict: 'PASS', at: 9 })).toEqual(once);
  expect(withLook(once, sha(1), { look: 1, verdict: 'FAIL', at: 9 }).candidates[0]?.looks).toEqual([
    { look: 1, verdict: 'FAIL', at: 9 },
  ]);
});
