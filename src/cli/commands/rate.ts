import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { readRunRecord } from '../../activities/run/open-run.ts';
import { PipelineError } from '../../domain/errors.ts';
import { PairOpponent, pairsNeeded, SECONDS_PER_PAIR } from '../../domain/evaluation/human-pairs.ts';
import { Ballot, humanFigures } from '../../domain/evaluation/human-votes.ts';
import { RepoId, type RepoRef, RunName } from '../../domain/refs.ts';
import { releaseRepos, runRepos } from '../../domain/run/repositories.ts';
import type { Hub } from '../../hub/hub.ts';
import { findRelease, PRODUCTION, tagAt } from '../../releases/catalog.ts';
import { addBallot, makeSheet, type Ratings, readRatings, writeRatingPage } from '../../releases/ratings.ts';
import { connectRunHub } from '../connect.ts';
import { action, type CommonOptions } from '../context.ts';
import { print, table } from '../output.ts';
import { collect } from './run.ts';

interface RateOptions extends CommonOptions {
  namespace?: string;
  pairs: string;
  to?: string;
  votes?: string[];
}

/** Confidence of the bounds that are printed; a gate judges at its own. */
const CONFIDENCE = 0.95;

/** Adds `rate`: a page of blind pairs for people, and their votes on the record. */
export function addRateCommand(program: Command): void {
  action<RateOptions>(
    program
      .command('rate')
      .argument('<name>', 'an evaluated run, or a model with a release')
      .description('make a page of blind pairs to rate, or put votes on the record')
      .option('--namespace <name>', 'Hub user or organization; default: the token’s owner')
      .option('--pairs <number>', 'pairs at the most, before repeats', '120')
      .option('--to <folder>', 'folder of the page; default: rate-NAME')
      .option('--votes <file>', 'votes that the page saved; may be given more than once', collect),
    async ({ env, dataDir, json }, options, operand) => {
      const name = String(operand);
      const most = Number(options.pairs);
      if (!Number.isInteger(most) || most < 10 || most > 5000)
        throw new PipelineError('InvalidInput', `--pairs: expected 10 to 5000, got "${options.pairs}"`);
      const hub = connectRunHub(env, dataDir);
      const namespace = options.namespace ?? (await hub.whoAmI());
      const { record, style } = await findRecord(hub, name, namespace);
      if (options.votes === undefined) {
        const ratings = await makeSheet(hub, record, { most, seed: 0 });
        const folder = resolve(options.to ?? `rate-${name}`);
        const page = await writeRatingPage(hub, record, { ratings, style, folder });
        return print(json, { page, pairs: ratings.sheet.pairs.length }, () =>
          [page, ...describeSheet(ratings), ...describeVotes(ratings)].join('\n'),
        );
      }
      for (const file of options.votes) await addBallot(hub, record, await readBallot(file));
      const ratings = await readRatings(hub, record);
      if (ratings === null)
        throw new PipelineError('Internal', 'expected the pairs that votes were added to');
      print(json, figuresOf(ratings), () => describeVotes(ratings).join('\n'));
    },
  );
}

/** The record of a run, or of the run that a model's production release comes from. */
async function findRecord(
  hub: Hub,
  name: string,
  namespace: string,
): Promise<{ record: RepoRef; style: string }> {
  const run = RunName.safeParse(name);
  if (run.success) {
    const record: RepoRef = { type: 'dataset', repo: runRepos(namespace, run.data, 'any').record };
    const known = await readRunRecord(hub, record);
    if (known !== null) return { record, style: known.config.dataset.style.replaceAll('_', ' ') };
  }
  const model = RepoId.safeParse(`${namespace}/${name}`);
  if (model.success && (await hub.resolve({ type: 'model', repo: model.data })) !== null) {
    const { release } = releaseRepos(namespace, name);
    const tag = await tagAt(hub, release, PRODUCTION);
    const entry = tag === null ? null : await findRelease(hub, release, tag);
    if (entry !== null) {
      const { context, evaluation } = entry.provenance;
      const { type, repo } = evaluation.report;
      return { record: { type, repo }, style: context.config.dataset.style.replaceAll('_', ' ') };
    }
  }
  throw new PipelineError(
    'InvalidInput',
    `expected an evaluated run or a model with a release, got "${name}" in ${namespace}: see "plein-air status" and "plein-air models"`,
  );
}

async function readBallot(file: string): Promise<Ballot> {
  let content: unknown;
  try {
    content = JSON.parse(await readFile(file, 'utf8'));
  } catch (error) {
    throw new PipelineError(
      'InvalidInput',
      `--votes: expected the file that the page saved in ${file}, got: ${error instanceof Error ? error.message : error}`,
    );
  }
  const parsed = Ballot.safeParse(content);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`);
  throw new PipelineError('InvalidInput', `--votes ${file}: ${problems.join('; ')}`);
}

function describeSheet({ sheet }: Ratings): string[] {
  const first = sheet.pairs.filter(({ repeatOf }) => repeatOf === null);
  const minutes = (pairs: number) => Math.ceil((pairs * SECONDS_PER_PAIR) / 60);
  const needed = pairsNeeded({ threshold: 0.45, truth: 0.55, confidence: CONFIDENCE, power: 0.9 });
  const against = PairOpponent.options
    .map((name) => [name, first.filter((pair) => pair.against === name).length] as const)
    .filter(([, count]) => count > 0)
    .map(([name, count]) => `${count} with ${name}`);
  return [
    `${first.length} pairs (${against.join(', ')}) and ${sheet.pairs.length - first.length} of them again: some ${minutes(sheet.pairs.length)} minutes for one person`,
    `${needed} pairs with one opponent, some ${minutes(needed)} minutes, show a win rate above 0.45 in nine of ten cases when it is 0.55`,
    'open the page on any device; put what it saves on the record with --votes FILE',
  ];
}

function figuresOf({ sheet, ballots }: Ratings) {
  return PairOpponent.options.flatMap((against) => {
    const figures = humanFigures(sheet, ballots, against, CONFIDENCE);
    return figures === null ? [] : [{ against, ...figures }];
  });
}

function describeVotes(ratings: Ratings): string[] {
  const figures = figuresOf(ratings);
  if (figures.length === 0) return ['no votes yet'];
  const number = (value: number | null) => (value === null ? '?' : value.toFixed(2));
  const rows = figures.flatMap(({ against, metrics }) =>
    Object.entries(metrics).map(([metric, { estimate, low, high, n }]) => [
      against,
      metric,
      number(estimate),
      `${number(low)} to ${number(high)}`,
      String(n),
    ]),
  );
  return [
    table(['against', 'metric', 'win rate', `bounds at ${CONFIDENCE * 100} %, each`, 'votes'], rows),
    ...figures.map(
      ({ against, raters, selfAgreement }) =>
        `${against}: rated by ${raters.join(', ')}; the same answer to a repeated pair in ${selfAgreement === null ? 'no case yet' : `${Math.round(selfAgreement * 100)} %`}`,
    ),
  ];
}
