import { z } from 'zod';
import type { GateConfig } from '../config/gate-config.ts';
import { RunName, Sha256 } from '../refs.ts';

/** `candidates.json` in a model's ledger repository: every candidate that was ever put to the gate, oldest first. */
export const LEDGER_FILE = 'candidates.json';

/** One candidate: an adapter on one set of prompts and seeds. The same again is the same test, not another one. */
export const Candidacy = z.strictObject({
  /** Hash of adapter and sample set. */
  candidate: Sha256,
  run: RunName,
  /** Matrices that were trained, as the checkpoint has them. */
  adapterSha256: Sha256,
  /** Of the first look. */
  sampleSetSha256: Sha256,
  /** Which set of sealed prompts and seeds it is asked, from 0. */
  rotation: z.int().min(0),
  /** Releases of the model before it. */
  releases: z.int().min(0),
  /** Its place among the candidates tried since the last release, from 1. */
  place: z.int().min(1),
  /** Part of the error that its bounds may spend, over all its looks. */
  alpha: z.number().gt(0).max(0.5),
  /** Milliseconds since the epoch. */
  at: z.number(),
  /** What it was judged as so far, a look each. */
  looks: z.array(
    z.strictObject({
      look: z.int().min(1),
      verdict: z.enum(['PASS', 'FAIL', 'INCONCLUSIVE']),
      at: z.number(),
    }),
  ),
});
export type Candidacy = z.infer<typeof Candidacy>;

/** A model's ledger. */
export const Ledger = z.strictObject({ format: z.literal(1), candidates: z.array(Candidacy) });
export type Ledger = z.infer<typeof Ledger>;

/** Part of the error that the first candidate after a release is judged with; all further ones share the rest. */
const FIRST_SHARE = 0.8;

/** Share of the error of a candidate by its place: 0.8, 0.1, 0.033, 0.017, …; all of them together come to 1. */
export function shareOf(place: number): number {
  return place === 1 ? FIRST_SHARE : (1 - FIRST_SHARE) / (place * (place - 1));
}

/**
 * Error that a candidate may spend: 1 - confidence is what may go wrong between one release and the next, however many
 * candidates are tried for it.
 */
export function alphaOf(gate: Pick<GateConfig, 'confidence'>, place: number): number {
  return (1 - gate.confidence) * shareOf(place);
}

/** One-sided confidence of the bounds of each look of a candidate; measured, other shares of the looks were no better. */
export function lookConfidence(gate: Pick<GateConfig, 'confidence' | 'looks'>, place = 1): number {
  return 1 - alphaOf(gate, place) / gate.looks;
}

/** Candidates that are asked the same sealed prompts; then, and after each release, others are opened. */
export const CANDIDATES_PER_SET = 4;

/** Which set of sealed prompts and seeds a new run is asked. */
export function nextRotation(ledger: Ledger, releases: number): number {
  const newest = Math.max(0, ...ledger.candidates.map(({ rotation }) => rotation));
  const asked = ledger.candidates.filter(({ rotation }) => rotation === newest);
  const isOpened = asked.length >= CANDIDATES_PER_SET || asked.some((one) => one.releases < releases);
  return isOpened ? newest + 1 : newest;
}

/** The ledger with a candidate in it, and the candidate's entry: the one it has, or a new one at the next place. */
export function withCandidate(
  ledger: Ledger,
  p: Omit<Candidacy, 'place' | 'alpha' | 'looks'> & { gate: Pick<GateConfig, 'confidence'> },
): { ledger: Ledger; entry: Candidacy } {
  const known = ledger.candidates.find(({ candidate }) => candidate === p.candidate);
  if (known !== undefined) return { ledger, entry: known };
  const { gate, ...about } = p;
  const place = 1 + ledger.candidates.filter(({ releases }) => releases === p.releases).length;
  const entry: Candidacy = { ...about, place, alpha: alphaOf(gate, place), looks: [] };
  return { ledger: { ...ledger, candidates: [...ledger.candidates, entry] }, entry };
}

/** The ledger with the verdict of a look; the same look again replaces it. */
export function withLook(ledger: Ledger, candidate: Sha256, look: Candidacy['looks'][number]): Ledger {
  return {
    ...ledger,
    candidates: ledger.candidates.map((entry) => {
      if (entry.candidate !== candidate) return entry;
      const known = entry.looks.find((one) => one.look === look.look);
      // A later re-evaluation judges the same pictures again: when it was first judged stays.
      const kept = known?.verdict === look.verdict ? known : look;
      const others = entry.looks.filter((one) => one.look !== look.look);
      return { ...entry, looks: [...others, kept].sort((a, b) => a.look - b.look) };
    }),
  };
}

/** Where a candidate stands in its model's line, for verdict and card. */
export const Standing = z.strictObject({
  place: z.int().min(1),
  releases: z.int().min(0),
  rotation: z.int().min(0),
  alpha: z.number(),
  /** Candidates tried for the same release before it, by what became of them. */
  before: z.strictObject({
    PASS: z.int().min(0),
    FAIL: z.int().min(0),
    INCONCLUSIVE: z.int().min(0),
    /** Measured, or about to be, and never judged. */
    unjudged: z.int().min(0),
  }),
  /** Other candidates that were asked the same sealed prompts before it. */
  promptsSeen: z.int().min(0),
});
export type Standing = z.infer<typeof Standing>;

/** What the ledger says of a candidate; null: it does not know it. */
export function standingOf(ledger: Ledger, candidate: Sha256): Standing | null {
  const index = ledger.candidates.findIndex((one) => one.candidate === candidate);
  const entry = ledger.candidates[index];
  if (entry === undefined) return null;
  const { place, releases, rotation, alpha } = entry;
  const earlier = ledger.candidates.slice(0, index);
  const tried = earlier.filter((one) => one.releases === releases);
  const count = (verdict: string) =>
    tried.filter(({ looks }) => (looks.at(-1)?.verdict ?? 'unjudged') === verdict).length;
  return {
    ...{ place, releases, rotation, alpha },
    before: {
      PASS: count('PASS'),
      FAIL: count('FAIL'),
      INCONCLUSIVE: count('INCONCLUSIVE'),
      unjudged: count('unjudged'),
    },
    promptsSeen: earlier.filter((one) => one.rotation === rotation).length,
  };
}

/** A candidate's standing as a sentence. */
export function describeStanding({ place, alpha, before, promptsSeen, releases }: Standing): string {
  const since = releases === 0 ? 'for the first release' : 'since the last release';
  const spent = `its bounds may err in ${Number((alpha * 100).toPrecision(2))} %`;
  if (place === 1)
    return `The first candidate ${since}: ${spent}, and every further one is judged more strictly.`;
  const became = Object.entries(before)
    .filter(([, count]) => count > 0)
    .map(([verdict, count]) => `${count} ${verdict}`)
    .join(', ');
  const seen = promptsSeen === 0 ? 'none of them' : String(promptsSeen);
  return `Candidate ${place} ${since}, after ${became}: ${spent}. The sealed prompts were asked by ${seen} before it.`;
}
