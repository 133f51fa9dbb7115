import { z } from 'zod';
import { Sha256 } from '../refs.ts';
import { type Pair, PairOpponent, type PairSheet, Question } from './human-pairs.ts';
import { normalQuantile } from './normal.ts';
import { Metric } from './report.ts';

/** Which side a rater chose; `same`: neither. */
export const Answer = z.enum(['left', 'right', 'same']);
export type Answer = z.infer<typeof Answer>;

/** One rater's answers about one pair. */
export const Vote = z.strictObject({
  pair: z.string().max(8),
  style: Answer,
  prompt: Answer,
  quality: Answer,
});
export type Vote = z.infer<typeof Vote>;

/** What the page hands back: `human/votes/<rater>.json` in the record repository. */
export const Ballot = z.strictObject({
  format: z.literal(1),
  /** sha256 of the bytes of the sheet of pairs that was shown. */
  sheetSha256: Sha256,
  rater: z
    .string()
    .trim()
    .min(1)
    .max(80)
    .refine((name) => !/[\p{Cc}\p{Cf}]/u.test(name), 'expected a name without control characters'),
  votes: z.array(Vote).min(1).max(20_000),
});
export type Ballot = z.infer<typeof Ballot>;

/** What is wrong with a ballot for a sheet, all at once; empty: nothing. */
export function ballotProblems(ballot: Ballot, sheet: PairSheet, sheetSha256: string): string[] {
  const known = new Set(sheet.pairs.map(({ id }) => id));
  const seen = new Set<string>();
  const problems =
    ballot.sheetSha256 === sheetSha256
      ? []
      : [
          `sheetSha256: expected ${sheetSha256}, got ${ballot.sheetSha256}: these votes are on other pairs; rate the page that was made last`,
        ];
  for (const { pair } of ballot.votes) {
    if (!known.has(pair)) problems.push(`votes: expected a pair of the sheet, got ${JSON.stringify(pair)}`);
    if (seen.has(pair)) problems.push(`votes: expected one vote a pair, got two on ${JSON.stringify(pair)}`);
    seen.add(pair);
  }
  return problems;
}

/** Figures of people's votes against one opponent. */
export interface HumanFigures {
  /** `human.winRate` and one figure a question; ties count half. */
  metrics: Record<'human.winRate' | `human.${Question}`, Metric>;
  /** Pairs with a vote, repeats left out, by all raters. */
  votes: number;
  raters: string[];
  /** Answers to repeated pairs that were the same as the first time; null: none was repeated. */
  selfAgreement: number | null;
}

/** People's votes on a candidate as they stood when it was judged. */
export const HumanEvidence = z.strictObject({
  sheetSha256: Sha256,
  opponents: z.array(
    z.strictObject({
      against: PairOpponent,
      metrics: z.record(z.string(), Metric),
      votes: z.int(),
      raters: z.array(z.string()),
      selfAgreement: z.number().nullable(),
    }),
  ),
});
export type HumanEvidence = z.infer<typeof HumanEvidence>;

/** Win rates of the candidate over an opponent, with bounds clustered by prompt; null: nobody voted. */
export function humanFigures(
  sheet: PairSheet,
  ballots: readonly Ballot[],
  against: PairOpponent,
  confidence: number,
): HumanFigures | null {
  const pairs = new Map(sheet.pairs.map((pair) => [pair.id, pair]));
  const votes = ballots.flatMap((ballot) =>
    ballot.votes.flatMap((vote) => {
      const pair = pairs.get(vote.pair);
      return pair?.against === against ? [{ pair, vote, rater: ballot.rater }] : [];
    }),
  );
  const first = votes.filter(({ pair }) => pair.repeatOf === null);
  if (first.length === 0) return null;
  const rate = (points: (vote: Vote, pair: Pair) => number, what: string) =>
    clusteredWinRate(
      first.map(({ vote, pair }) => ({ points: points(vote, pair), cluster: pair.promptId })),
      confidence,
      `${what}; ties count half; Wilson's bounds at the number of votes that clusters by prompt leave`,
    );
  const of = (question: Question) =>
    rate((vote, pair) => pointsOf(vote[question], pair), QUESTION_OF[question]);
  const overall = (vote: Vote, pair: Pair) =>
    Question.options.reduce((sum, question) => sum + pointsOf(vote[question], pair), 0) /
    Question.options.length;
  return {
    metrics: {
      'human.winRate': rate(overall, 'mean of the three questions'),
      'human.style': of('style'),
      'human.prompt': of('prompt'),
      'human.quality': of('quality'),
    },
    votes: first.length,
    raters: [...new Set(first.map(({ rater }) => rater))].sort(),
    selfAgreement: agreement(votes),
  };
}

const QUESTION_OF = {
  style: 'closer to the style',
  prompt: 'shows better what was asked',
  quality: 'better picture',
};

/** 1: the candidate's picture was chosen, 0: the other one, a half: neither. */
function pointsOf(answer: Answer, pair: Pair): number {
  if (answer === 'same') return 0.5;
  return answer === pair.candidate ? 1 : 0;
}

/** Share of answers about a repeated pair that mean the same as those of the same rater the first time. */
function agreement(votes: readonly { pair: Pair; vote: Vote; rater: string }[]): number | null {
  const keyOf = (rater: string, pair: string) => JSON.stringify([rater, pair]);
  const firsts = new Map(votes.map((one) => [keyOf(one.rater, one.pair.id), one]));
  const same = votes.flatMap(({ pair, vote, rater }) => {
    const before = pair.repeatOf === null ? undefined : firsts.get(keyOf(rater, pair.repeatOf));
    if (before === undefined) return [];
    return Question.options.map((question): number =>
      Number(pointsOf(vote[question], pair) === pointsOf(before.vote[question], before.pair)),
    );
  });
  return same.length === 0 ? null : same.reduce((sum, one) => sum + one, 0) / same.length;
}

/** Fewest prompts that bounds can be had from. */
const MIN_CLUSTERS = 5;

/**
 * A win rate with Wilson's bounds, each one-sided, at the effective number of votes: votes on one prompt resemble each
 * other. Where nothing varies every prompt counts once.
 */
export function clusteredWinRate(
  votes: readonly { points: number; cluster: string }[],
  confidence: number,
  method: string,
): Metric {
  const n = votes.length;
  const rate = votes.reduce((sum, { points }) => sum + points, 0) / n;
  const residuals = new Map<string, number>();
  for (const { points, cluster } of votes)
    residuals.set(cluster, (residuals.get(cluster) ?? 0) + points - rate);
  const groups = residuals.size;
  if (groups < MIN_CLUSTERS)
    return {
      ...{ estimate: rate, low: null, high: null, n },
      method: `${method}; fewer than ${MIN_CLUSTERS} prompts: no bounds`,
    };
  const squares = [...residuals.values()].reduce((sum, residual) => sum + residual ** 2, 0);
  const variance = (squares * groups) / (groups - 1) / n ** 2;
  const simple = rate * (1 - rate);
  const effective = variance > 0 ? Math.min(n, Math.max(1, simple / variance)) : Math.min(n, groups);
  const t = studentQuantile(confidence, groups - 1);
  const middle = (rate + t ** 2 / (2 * effective)) / (1 + t ** 2 / effective);
  const reach =
    (t / (1 + t ** 2 / effective)) * Math.sqrt(simple / effective + t ** 2 / (4 * effective ** 2));
  return { estimate: rate, low: Math.max(0, middle - reach), high: Math.min(1, middle + reach), n, method };
}

/** Quantile of Student's t by its expansion about the normal one (Abramowitz and Stegun 26.7.5): 1 % off at 4 degrees. */
function studentQuantile(p: number, degrees: number): number {
  const z = normalQuantile(p);
  return (
    z +
    (z ** 3 + z) / (4 * degrees) +
    (5 * z ** 5 + 16 * z ** 3 + 3 * z) / (96 * degrees ** 2) +
    (3 * z ** 7 + 19 * z ** 5 + 17 * z ** 3 - 15 * z) / (384 * degrees ** 3)
  );
}
