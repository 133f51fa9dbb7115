import { PipelineError } from '../../domain/errors.ts';
import type { CommitSha, RepoRef } from '../../domain/refs.ts';
import { CheckpointManifest, Fence } from '../../domain/training/checkpoint.ts';
import { type CheckpointFolder, damageOf, findCheckpoints } from '../../domain/training/checkpoint-choice.ts';
import { emptyLedger, LatestCheckpoint, TrainingLedger } from '../../domain/training/ledger.ts';
import { sha256Of } from '../../hub/hashing.ts';
import type { Hub } from '../../hub/hub.ts';
import { parseJson } from '../../hub/verified-json.ts';
import { MANIFEST } from '../support/checkpoint-folder.ts';

/** Files of a branch besides its checkpoints. */
export const BRANCH_FILES = {
  fence: 'fence.json',
  ledger: 'ledger.json',
  latest: 'latest.json',
  metrics: 'metrics.jsonl',
} as const;

/**
 * A branch of the checkpoint repository that one training publishes to, `main` or `trial-3`: each has a head of its own to
 * compare and swap.
 */
export interface TrainingBranch {
  hub: Hub;
  repo: RepoRef;
  name: string;
}

/** What a branch holds at one commit. */
export interface BranchState {
  head: CommitSha;
  fence: Fence | null;
  ledger: TrainingLedger;
  /** Newest first; not verified. */
  checkpoints: CheckpointFolder[];
  /** Files of the branch that this one was made from, to be deleted. */
  inherited: string[];
}

/** Reads a branch at a commit; null: at its head, and repository and branch are created where they are missing. */
export async function readBranch(
  { hub, repo, name }: TrainingBranch,
  commit: CommitSha | null = null,
): Promise<BranchState> {
  const head = commit ?? (await hub.resolve(repo, name)) ?? (await createBranch({ hub, repo, name }));
  const read = (path: string) => hub.read(repo, head, path);
  const bytes = await read(BRANCH_FILES.ledger);
  const known =
    bytes === null
      ? null
      : parseJson(bytes, TrainingLedger, `${repo.repo} ${BRANCH_FILES.ledger} at ${head}`);
  const files = await hub.list(repo, head);
  if (known !== null && known.branch !== name) {
    const inherited = files.map(({ path }) => path).filter((path) => path !== '.gitattributes');
    return { head, fence: null, ledger: emptyLedger(name), checkpoints: [], inherited };
  }
  return {
    head,
    fence: await readFence({ hub, repo, name }, head),
    ledger: known ?? emptyLedger(name),
    checkpoints: findCheckpoints(files),
    inherited: [],
  };
}

async function createBranch({ hub, repo, name }: TrainingBranch): Promise<CommitSha> {
  await hub.ensureRepo(repo, { private: true });
  const main = await hub.resolve(repo, 'main');
  if (main !== null && name !== 'main') await hub.ensureBranch(repo, name, main);
  const head = await hub.resolve(repo, name);
  if (head !== null) return head;
  throw new PipelineError(
    'HubUnavailable',
    `expected branch ${name} in ${repo.repo} after it was created, got none`,
  );
}

/** The fence at a commit; null before the first attempt. */
export async function readFence({ hub, repo }: TrainingBranch, head: CommitSha): Promise<Fence | null> {
  const bytes = await hub.read(repo, head, BRANCH_FILES.fence);
  return bytes === null ? null : parseJson(bytes, Fence, `${repo.repo} ${BRANCH_FILES.fence} at ${head}`);
}

/** The error of an attempt whose place another one has taken. */
export function fenced(
  branch: TrainingBranch,
  token: number,
  fence: { token: number; owner: string } | null,
): PipelineError {
  const other = fence === null ? 'no fence at all' : `token ${fence.token} of ${fence.owner}`;
  return new PipelineError(
    'Fenced',
    `expected to hold fencing token ${token} on ${branch.repo.repo} branch ${branch.name}, got ${other}: this attempt stops and publishes nothing`,
  );
}

/** A checkpoint that the listing and its manifest speak for, and what was passed over on the way to it. */
export interface Choice {
  checkpoint: CheckpointFolder | null;
  damaged: string[];
}

/** The newest checkpoint whose manifest agrees with the files that the Hub lists; its bytes are verified on download. */
export async function chooseCheckpoint(
  { hub, repo }: TrainingBranch,
  head: CommitSha,
  candidates: readonly CheckpointFolder[],
): Promise<Choice> {
  const damaged: string[] = [];
  for (const checkpoint of candidates) {
    const bytes = await hub.read(repo, head, `${checkpoint.folder}/${MANIFEST}`);
    const damage =
      (await promisedOtherwise({ hub, repo, head }, checkpoint, bytes)) ??
      damageOf(checkpoint, parseManifest(bytes));
    if (damage === null) return { checkpoint, damaged };
    damaged.push(damage);
  }
  return { checkpoint: null, damaged };
}

async function promisedOtherwise(
  at: { hub: Hub; repo: RepoRef; head: CommitSha },
  { folder }: CheckpointFolder,
  manifest: Buffer | null,
): Promise<string | null> {
  const bytes = await at.hub.read(at.repo, at.head, BRANCH_FILES.latest);
  const latest = bytes === null ? null : LatestCheckpoint.safeParse(safeJson(bytes)).data;
  if (latest?.path !== folder || manifest === null) return null;
  const sha256 = sha256Of(manifest);
  if (sha256 === latest.manifestSha256) return null;
  return `${folder}/${MANIFEST}: expected sha256 ${latest.manifestSha256} as in ${BRANCH_FILES.latest}, got ${sha256}`;
}

function parseManifest(bytes: Buffer | null): CheckpointManifest | null {
  return bytes === null ? null : (CheckpointManifest.safeParse(safeJson(bytes)).data ?? null);
}

function safeJson(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch {
    return null;
  }
}
