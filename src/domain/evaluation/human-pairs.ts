import { z } from 'zod';
import { Sha256 } from '../refs.ts';
import { normalQuantile } from './normal.ts';
import { type StandardSample, sampleSeed } from './sample-set.ts';

/** What a rater is asked about each pair, in this order, with the words for the page. */
export const QUESTIONS = {
  style: 'Which one is more like the style?',
  prompt: 'Which one shows better what was asked for?',
  quality: 'Which one is the better picture?',
} as const;
export const Question = z.enum(['style', 'prompt', 'quality']);
export type Question = z.infer<typeof Question>;

/** Who a candidate's picture is beside; the page never says it. */
export const PairOpponent = z.enum(['production', 'base']);
export type PairOpponent = z.infer<typeof PairOpponent>;

/** Two pictures of the same prompt and seed. The rater sees the id, the prompt and the pictures, never whose they are. */
export const Pair = z.strictObject({
  /** Its place in the order that it is shown in: `p001`, `p002`, … */
  id: z.string().regex(/^p\d{3,5}$/),
  /** Id in the sample set, of both pictures. */
  sample: z.string(),
  /** Cluster of the bounds. */
  promptId: z.string(),
  /** What was asked for, without the trigger. */
  prompt: z.string(),
  against: PairOpponent,
  /** Side that the candidate's picture is shown on. */
  candidate: z.enum(['left', 'right']),
  /** The pair that this one shows again with its sides changed; null: shown for the first time. */
  repeatOf: z.string().nullable(),
});
export type Pair = z.infer<typeof Pair>;

/** `human/pairs.json` in the record repository: what raters are shown, and the key to it. */
export const PairSheet = z.strictObject({
  format: z.literal(1),
  adapterSha256: Sha256,
  /** Release that the candidate is beside; null: none was in production. */
  production: z.strictObject({ tag: z.string(), adapterSha256: Sha256 }).nullable(),
  sampleSetSha256: Sha256,
  seed: z.int(),
  pairs: z.array(Pair).min(1),
});
export type PairSheet = z.infer<typeof PairSheet>;

/** One in so many pairs is shown a second time, sides changed, so that a rater's agreement with themself is known. */
const REPEAT_EVERY = 10;

/**
 * Pairs in an order and on sides drawn from `seed`: of every prompt in turn, evenly over the opponents, some shown again in
 * the second half. At most `most` pairs before the repeats.
 */
export function makePairs(p: {
  samples: readonly Pick<StandardSample, 'id' | 'promptId' | 'text' | 'trigger'>[];
  opponents: readonly PairOpponent[];
  seed: number;
  most: number;
}): Pair[] {
  const asked = p.samples.filter(({ trigger }) => trigger);
  // One picture of every prompt before a second of any: prompts are what the bounds count.
  const draws = new Map<string, number>();
  const ranked = shuffled(asked, p.seed, 1)
    .map((sample) => {
      const round = draws.get(sample.promptId) ?? 0;
      draws.set(sample.promptId, round + 1);
      return { sample, round };
    })
    .sort((a, b) => a.round - b.round);
  const all = ranked.flatMap(({ sample }) => p.opponents.map((against) => ({ sample, against })));
  const first = shuffled(all.slice(0, p.most), p.seed, 2).map(({ sample, against }, index) => ({
    sample: sample.id,
    promptId: sample.promptId,
    prompt: sample.text,
    against,
    candidate: sampleSeed(p.seed, index, 3) % 2 === 0 ? ('left' as const) : ('right' as const),
  }));
  const again = shuffled(
    first.map((_, index) => index),
    p.seed,
    4,
  ).slice(0, Math.floor(first.length / REPEAT_EVERY));
  return [
    ...first.map((pair, index) => ({ ...pair, id: idOf(index), repeatOf: null })),
    ...again.flatMap((index, place) => {
      const pair = first[index];
      if (pair === undefined) return [];
      const candidate = pair.candidate === 'left' ? ('right' as const) : ('left' as const);
      return [{ ...pair, candidate, id: idOf(first.length + place), repeatOf: idOf(index) }];
    }),
  ];
}

const idOf = (index: number) => `p${String(index + 1).padStart(3, '0')}`;

/** Fisher and Yates' shuffle by hashes of (seed, purpose, place). */
function shuffled<T>(items: readonly T[], seed: number, purpose: number): T[] {
  const out = [...items];
  for (let last = out.length - 1; last > 0; last--) {
    const other = sampleSeed(seed, last, 100 + purpose) % (last + 1);
    [out[last], out[other]] = [out[other] as T, out[last] as T];
  }
  return out;
}

/** Seconds that a person takes over a pair and its three questions, by which time is reckoned. */
export const SECONDS_PER_PAIR = 8;

/**
 * Independent pairs that show a win rate above `threshold` with `power` when it truly is `truth`, by the normal
 * approximation: 212 for 0.45, 0.55, 95 % and 0.9.
 */
export function pairsNeeded(p: {
  threshold: number;
  truth: number;
  confidence: number;
  power: number;
}): number {
  if (p.truth <= p.threshold) return Number.POSITIVE_INFINITY;
  const spread = (rate: number) => Math.sqrt(rate * (1 - rate));
  const reach =
    normalQuantile(p.confidence) * spread(p.threshold) + normalQuantile(p.power) * spread(p.truth);
  return Math.ceil((reach / (p.truth - p.threshold)) ** 2);
}
