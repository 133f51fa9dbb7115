import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { PipelineError } from '../domain/errors.ts';
import { makePairs, PairOpponent, PairSheet } from '../domain/evaluation/human-pairs.ts';
import {
  Ballot,
  ballotProblems,
  type HumanEvidence,
  humanFigures,
} from '../domain/evaluation/human-votes.ts';
import { EvaluationReport } from '../domain/evaluation/report.ts';
import { type CommitSha, type RepoRef, Sha256 } from '../domain/refs.ts';
import { commitOnHead } from '../hub/commit-on-head.ts';
import { sha256Of } from '../hub/hashing.ts';
import type { Hub } from '../hub/hub.ts';
import { parseJson } from '../hub/verified-json.ts';
import { ratingPage } from '../reports/pages/rating-page.ts';

/** Where a record repository keeps what people were shown and what they said. */
export const HUMAN_FILES = { sheet: 'human/pairs.json', votes: 'human/votes' } as const;

/** The pairs of an evaluated candidate, and every ballot on them. */
export interface Ratings {
  sheet: PairSheet;
  sheetSha256: string;
  ballots: Ballot[];
}

const Samples = z.array(
  z.looseObject({ id: z.string(), promptId: z.string(), text: z.string(), trigger: z.boolean() }),
);

/** Pairs and votes in a record repository; null: nobody was asked yet. */
export async function readRatings(hub: Hub, record: RepoRef): Promise<Ratings | null> {
  const head = await hub.resolve(record);
  const bytes = head === null ? null : await hub.read(record, head, HUMAN_FILES.sheet);
  if (head === null || bytes === null) return null;
  const sheetSha256 = sha256Of(bytes);
  const sheet = parseJson(bytes, PairSheet, `${record.repo} ${HUMAN_FILES.sheet}`);
  const files = (await hub.list(record, head, HUMAN_FILES.votes)).filter(({ path }) =>
    path.endsWith('.json'),
  );
  const ballots = await Promise.all(
    files.map(async ({ path }) => {
      const content = await hub.read(record, head, path);
      return content === null ? null : parseJson(content, Ballot, `${record.repo} ${path}`);
    }),
  );
  // Votes on the pairs of an earlier evaluation say nothing of this one.
  const own = ballots.filter((ballot) => ballot !== null && ballot.sheetSha256 === sheetSha256);
  return { sheet, sheetSha256, ballots: own.filter((ballot) => ballot !== null) };
}

/**
 * Draws pairs of the evaluation that the record repository holds and stores them; the same evaluation has the same pairs.
 * Votes on those of another adapter stay where they are and no longer count.
 */
export async function makeSheet(
  hub: Hub,
  record: RepoRef,
  p: { most: number; seed: number },
): Promise<Ratings> {
  const head = await mustResolve(hub, record);
  const report = await readJson(hub, record, head, 'evaluation/report.json', EvaluationReport);
  const samples = await readJson(hub, record, head, 'evaluation/samples.json', Samples);
  const rival = report.comparisons?.find(({ name }) => name === 'production') ?? null;
  const sheet: PairSheet = {
    format: 1,
    adapterSha256: report.adapterSha256,
    production: rival === null ? null : { tag: rival.tag, adapterSha256: rival.adapterSha256 },
    sampleSetSha256: report.samples.setSha256,
    seed: p.seed,
    pairs: makePairs({
      ...{ samples, seed: p.seed, most: p.most },
      opponents: rival === null ? ['base'] : ['production', 'base'],
    }),
  };
  const content = `${JSON.stringify(sheet, null, 1)}\n`;
  await commitOnHead<null>(hub, { repo: record }, async (at) => {
    const known = at === null ? null : await hub.read(record, at, HUMAN_FILES.sheet);
    if (known?.toString('utf8') === content) return { done: null };
    const files = [{ path: HUMAN_FILES.sheet, content }];
    return { message: `Pairs to rate: ${sheet.pairs.length}`, files, answer: () => null };
  });
  const stored = await readRatings(hub, record);
  if (stored === null) throw new PipelineError('Internal', `expected pairs in ${record.repo}, got none`);
  return stored;
}

/** Writes the page and its pictures, whose names tell nothing, into a folder. */
export async function writeRatingPage(
  hub: Hub,
  record: RepoRef,
  p: { ratings: Ratings; style: string; folder: string },
): Promise<string> {
  const head = await mustResolve(hub, record);
  const { sheet, sheetSha256 } = p.ratings;
  await mkdir(join(p.folder, 'pictures'), { recursive: true });
  const pairs = [];
  for (const pair of sheet.pairs) {
    const ours = `evaluation/candidate/${pair.sample}.png`;
    const other = `evaluation/${pair.against === 'base' ? 'base' : 'rivals/production'}/${pair.sample}.png`;
    const sides = pair.candidate === 'left' ? { left: ours, right: other } : { left: other, right: ours };
    const shown = { left: `pictures/${pair.id}-left.png`, right: `pictures/${pair.id}-right.png` };
    for (const side of ['left', 'right'] as const) {
      const bytes = await hub.read(record, head, sides[side]);
      if (bytes === null)
        throw new PipelineError('Corrupt', `expected ${sides[side]} in ${record.repo}, got no such file`);
      await writeFile(join(p.folder, shown[side]), bytes);
    }
    pairs.push({ id: pair.id, prompt: pair.prompt, ...shown });
  }
  const file = join(p.folder, 'index.html');
  await writeFile(file, ratingPage({ sheetSha256, style: p.style, pairs }));
  return file;
}

/** Puts a person's votes on the record, in place of earlier ones of the same name; refuses those on other pairs. */
export async function addBallot(hub: Hub, record: RepoRef, ballot: Ballot): Promise<void> {
  const ratings = await readRatings(hub, record);
  if (ratings === null)
    throw new PipelineError(
      'InvalidInput',
      `expected pairs in ${record.repo}, got none: make the page first`,
    );
  const problems = ballotProblems(ballot, ratings.sheet, ratings.sheetSha256);
  if (problems.length > 0) throw new PipelineError('InvalidInput', problems.join('\n'));
  const path = `${HUMAN_FILES.votes}/${sha256Of(ballot.rater).slice(0, 16)}.json`;
  const content = `${JSON.stringify(ballot, null, 1)}\n`;
  await commitOnHead<null>(hub, { repo: record }, async (at) => {
    const known = at === null ? null : await hub.read(record, at, path);
    if (known?.toString('utf8') === content) return { done: null };
    const message = `Votes on ${ballot.votes.length} pairs`;
    return { message, files: [{ path, content }], answer: () => null };
  });
}

/** What people said of this very adapter on these very pictures, beside what is in production now; null: nothing. */
export async function humanEvidence(
  hub: Hub,
  record: RepoRef,
  p: {
    adapterSha256: string;
    sampleSetSha256: string;
    /** Adapter of what is in production; null: nothing is. */
    production: string | null;
    confidence: number;
  },
): Promise<HumanEvidence | null> {
  const ratings = await readRatings(hub, record);
  if (ratings === null) return null;
  const { sheet, sheetSha256, ballots } = ratings;
  if (sheet.adapterSha256 !== p.adapterSha256 || sheet.sampleSetSha256 !== p.sampleSetSha256) return null;
  const isCurrent = (sheet.production?.adapterSha256 ?? null) === p.production;
  const opponents = PairOpponent.options.flatMap((against) => {
    if (against === 'production' && !isCurrent) return [];
    const figures = humanFigures(sheet, ballots, against, p.confidence);
    return figures === null ? [] : [{ against, ...figures }];
  });
  return opponents.length === 0 ? null : { sheetSha256: Sha256.parse(sheetSha256), opponents };
}

async function mustResolve(hub: Hub, record: RepoRef): Promise<CommitSha> {
  const head = await hub.resolve(record);
  if (head !== null) return head;
  throw new PipelineError('InvalidInput', `expected a record in ${record.repo}, got no such repository`);
}

async function readJson<T>(
  hub: Hub,
  record: RepoRef,
  head: CommitSha,
  path: string,
  schema: z.ZodType<T>,
): Promise<T> {
  const bytes = await hub.read(record, head, path);
  if (bytes !== null) return parseJson(bytes, schema, `${record.repo} ${path}`);
  throw new PipelineError(
    'InvalidInput',
    `expected an evaluated run (${path} in ${record.repo}), got none: there are no pictures to rate before the evaluation`,
  );
}
