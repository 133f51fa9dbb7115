import type { Hono } from 'hono';
import { z } from 'zod';
import { PipelineError } from '../../domain/errors.ts';
import { type Pair, PairOpponent, Question } from '../../domain/evaluation/human-pairs.ts';
import { Answer, Ballot, humanFigures, Vote } from '../../domain/evaluation/human-votes.ts';
import type { RepoRef } from '../../domain/refs.ts';
import { addBallot, makeSheet, type Ratings, readRatings } from '../../releases/ratings.ts';
import { needs, type StudioContext, type StudioEnv } from '../access/guard.ts';
import { Feed, Feeds } from '../live/feed.ts';
import type { RunView } from '../live/run-view.ts';
import type { Sources } from '../live/source.ts';
import { pairPage, type RatingState, ratedPage, ratersPage } from '../pages/rate-page.ts';
import { fieldsOf } from './form.ts';
import { createImageProxy } from './images.ts';

const CONFIDENCE = 0.95;
const MAX_PAIRS = 120;
/** Votes after which they go on the record: a commit for each would be more than the Hub takes. */
const SAVED_EVERY = 10;
/** How long what the Hub says of the pairs counts. */
const SHEET_MS = 5000;

const Votes = z.array(Vote).max(20_000);
const Partial = z.partialRecord(Question, Answer);

type KnownSheet = { ratings: Ratings | null; record: RepoRef; style: string } | { error: Error };

/** Adds blind pairs to rate, and the votes on the record. */
export function addRateRoutes(app: Hono<StudioEnv>, { hub }: Sources, runs: Feeds<RunView>): void {
  const images = createImageProxy(hub);
  const sheets = new Feeds<KnownSheet>(
    (run) =>
      new Feed(async () => {
        try {
          const { stored } = await runs.of(run).now();
          if (stored === null) throw new PipelineError('HubUnavailable', 'The Hub does not answer');
          const { record } = stored.repos;
          const style = (stored.config?.dataset.style ?? '').replaceAll('_', ' ');
          return { ratings: await readRatings(hub, record), record, style };
        } catch (error) {
          return { error: error instanceof Error ? error : new Error(String(error)) };
        }
      }, SHEET_MS),
  );
  const sheetOf = async (run: string) => {
    const known = await sheets.of(run).now();
    if ('error' in known) throw known.error;
    return known;
  };
  const pairsOf = async (run: string) => {
    const { ratings, ...rest } = await sheetOf(run);
    if (ratings === null)
      throw new PipelineError(
        'InvalidInput',
        `expected pairs of "${run}" to rate, got none: make them first`,
      );
    return { ratings, ...rest };
  };
  const save = async (
    run: string,
    { record, ratings }: { record: RepoRef; ratings: Ratings },
    state: RatingState,
  ) => {
    const ballot = { format: 1, sheetSha256: ratings.sheetSha256, rater: state.rater, votes: state.votes };
    await addBallot(hub, record, parse(Ballot, ballot));
    sheets.of(run).expire();
  };

  app.get('/rate/:run', needs('rate'), async (c) => {
    const run = c.req.param('run');
    const { ratings } = await sheetOf(run);
    const figures = PairOpponent.options.flatMap((against) => {
      const found =
        ratings === null ? null : humanFigures(ratings.sheet, ratings.ballots, against, CONFIDENCE);
      return found === null ? [] : [{ against, ...found }];
    });
    return c.html(
      ratersPage({ run, role: c.get('role'), pairs: ratings?.sheet.pairs.length ?? null, figures }),
    );
  });
  app.post('/rate/:run/pairs', needs('steer'), async (c) => {
    const run = c.req.param('run');
    await makeSheet(hub, (await sheetOf(run)).record, { most: MAX_PAIRS, seed: 0 });
    sheets.of(run).expire();
    return c.redirect(`/rate/${encodeURIComponent(run)}`, 303);
  });
  app.post('/rate/:run', needs('rate'), async (c) => {
    const run = c.req.param('run');
    const known = await pairsOf(run);
    const fields = await fieldsOf(c);
    const state = answered(known.ratings, fields);
    const isVoted =
      fields.votes !== undefined && state.votes.length > parse(Votes, json(fields.votes)).length;
    const { pairs } = known.ratings.sheet;
    const voted = new Set(state.votes.map(({ pair }) => pair));
    const next = pairs.find(({ id }) => !voted.has(id));
    if (isVoted && (next === undefined || state.votes.length % SAVED_EVERY === 0))
      await save(run, known, state);
    if (next === undefined) return thank(c, run, state.votes.length, pairs.length);
    return c.html(
      pairPage({
        ...{
          run,
          role: c.get('role'),
          style: known.style,
          sheet: known.ratings.sheetSha256,
          pair: next,
          state,
        },
        ...{ place: state.votes.length + 1, pairs: pairs.length },
        question: Question.options.find((one) => state.partial[one] === undefined) ?? 'style',
      }),
    );
  });
  app.post('/rate/:run/save', needs('rate'), async (c) => {
    const run = c.req.param('run');
    const known = await pairsOf(run);
    const state = answered(known.ratings, await fieldsOf(c));
    await save(run, known, state);
    return thank(c, run, state.votes.length, known.ratings.sheet.pairs.length);
  });
  app.get('/rate/:run/image/:pair/:side', needs('rate'), async (c) => {
    const { ratings, record } = await pairsOf(c.req.param('run'));
    const pair = ratings.sheet.pairs.find(({ id }) => id === c.req.param('pair'));
    const commit = await hub.resolve(record);
    if (pair === undefined || commit === null) return c.text('There is no such pair\n', 404);
    return images(c, { repo: record, commit, path: pathOf(pair, c.req.param('side')) });
  });
}

function thank(c: StudioContext, run: string, votes: number, pairs: number): Response | Promise<Response> {
  return c.html(ratedPage({ run, role: c.get('role'), votes, pairs }));
}

/** The picture of a side: the one place where the key is used. */
function pathOf(pair: Pair, side: string): string {
  const isOurs = side === pair.candidate;
  const folder = isOurs ? 'candidate' : pair.against === 'base' ? 'base' : 'rivals/production';
  return `evaluation/${folder}/${pair.sample}.png`;
}

/** A rater's votes with the answer that was just given; a rater who comes back continues from the record. */
function answered(ratings: Ratings, fields: Record<string, string>): RatingState {
  const { rater = '', sheet, votes, pair, partial } = fields;
  const name = parse(Ballot.shape.rater, rater);
  if (votes === undefined || sheet !== ratings.sheetSha256) {
    const before = ratings.ballots.find((ballot) => ballot.rater === name)?.votes ?? [];
    return { rater: name, votes: before, partial: {} };
  }
  const before = parse(Votes, json(votes));
  if (pair === undefined) return { rater: name, votes: before, partial: {} };
  const now = Object.fromEntries(
    Question.options.flatMap((q) => (fields[q] === undefined ? [] : [[q, fields[q]]])),
  );
  const answers = parse(Partial, { ...(json(partial ?? '{}') as object), ...now });
  const vote = Vote.safeParse({ pair, ...answers });
  return vote.success
    ? { rater: name, votes: [...before.filter((one) => one.pair !== pair), vote.data], partial: {} }
    : { rater: name, votes: before, partial: answers };
}

function parse<S extends z.ZodType>(schema: S, value: unknown): z.output<S> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new PipelineError(
    'InvalidInput',
    `rate: ${parsed.error.issues.map(({ message }) => message).join('; ')}`,
  );
}

function json(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new PipelineError(
      'InvalidInput',
      'rate: expected votes as a page of Studio sends them, got other text',
    );
  }
}
