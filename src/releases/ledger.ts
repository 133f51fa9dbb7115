import {
  type Candidacy,
  LEDGER_FILE,
  Ledger,
  nextRotation,
  type Standing,
  standingOf,
  withCandidate,
  withLook,
} from '../domain/evaluation/ledger.ts';
import type { CommitSha, RepoRef, Sha256 } from '../domain/refs.ts';
import type { RunContext } from '../domain/run/context.ts';
import { ledgerRepo } from '../domain/run/repositories.ts';
import { commitOnHead } from '../hub/commit-on-head.ts';
import type { Hub } from '../hub/hub.ts';
import { parseJson } from '../hub/verified-json.ts';
import { releaseNumber, releaseRepo } from './catalog.ts';

/** The model line that a run belongs to. */
type Line = {
  namespace: string;
  config: Pick<RunContext['config'], 'model'>;
  repos: Pick<RunContext['repos'], 'release'>;
};

/** Which set of sealed prompts and seeds a run that begins now is asked. */
export async function rotationNow(hub: Hub, line: Line): Promise<number> {
  const repo = repoOf(line);
  const head = await hub.resolve(repo);
  return nextRotation(await readLedger(hub, repo, head), await countReleases(hub, line));
}

/**
 * Puts a candidate on the ledger before it is measured, so that its bounds are at the confidence of its place; the same
 * candidate again finds its place.
 */
export async function enterCandidate(
  hub: Hub,
  context: RunContext,
  p: Pick<Candidacy, 'candidate' | 'adapterSha256' | 'sampleSetSha256'>,
  now: () => number = Date.now,
): Promise<Candidacy> {
  const repo = repoOf(context);
  const head = await hub.resolve(repo);
  const known = (await readLedger(hub, repo, head)).candidates.find(
    ({ candidate }) => candidate === p.candidate,
  );
  if (known !== undefined) return known;
  await hub.ensureRepo(repo, { private: true });
  const releases = await countReleases(hub, context);
  return commitOnHead<Candidacy>(hub, { repo }, async (at) => {
    const before = await readLedger(hub, repo, at);
    const { gate } = context.config;
    const about = { run: context.run, rotation: context.rotation ?? 0, releases, at: now(), gate };
    const { ledger, entry } = withCandidate(before, { ...p, ...about });
    if (ledger === before) return { done: entry };
    return {
      message: `Candidate ${entry.place} after ${releases} releases: ${context.run}`,
      files: [fileOf(ledger)],
      answer: () => entry,
    };
  });
}

/** Where a candidate stands; null: the ledger does not know it. */
export async function readStanding(hub: Hub, line: Line, candidate: Sha256): Promise<Standing | null> {
  const repo = repoOf(line);
  return standingOf(await readLedger(hub, repo, await hub.resolve(repo)), candidate);
}

/** Writes what a look came to; a candidate that the ledger does not know leaves it as it is. */
export async function recordLook(
  hub: Hub,
  line: Line,
  p: { candidate: Sha256; look: number; verdict: Candidacy['looks'][number]['verdict']; at: number },
): Promise<void> {
  const { candidate, ...look } = p;
  const repo = repoOf(line);
  await commitOnHead<null>(hub, { repo }, async (head) => {
    const before = await readLedger(hub, repo, head);
    const ledger = withLook(before, candidate, look);
    if (JSON.stringify(ledger) === JSON.stringify(before)) return { done: null };
    return { message: `Look ${look.look}: ${look.verdict}`, files: [fileOf(ledger)], answer: () => null };
  });
}

async function readLedger(hub: Hub, repo: RepoRef, head: CommitSha | null): Promise<Ledger> {
  const bytes = head === null ? null : await hub.read(repo, head, LEDGER_FILE);
  if (bytes === null) return { format: 1, candidates: [] };
  return parseJson(bytes, Ledger, `${repo.repo} ${LEDGER_FILE}`);
}

function fileOf(ledger: Ledger): { path: string; content: string } {
  return { path: LEDGER_FILE, content: `${JSON.stringify(ledger, null, 1)}\n` };
}

function repoOf({ namespace, config }: Line): RepoRef {
  return { type: 'dataset', repo: ledgerRepo(namespace, config.model) };
}

async function countReleases(hub: Hub, { repos }: Line): Promise<number> {
  const repo = releaseRepo(repos.release);
  if ((await hub.resolve(repo)) === null) return 0;
  return Math.max(0, ...(await hub.tags(repo)).map(({ name }) => releaseNumber(name) ?? 0));
}
