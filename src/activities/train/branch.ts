import { PipelineError } from '../../domain/errors.ts';
import type { CommitSha, RepoRef } from '../../domain/refs.ts';
import { CheckpointManifest, Fence } from '../../domain/training/checkpoint.ts';
import { type CheckpointFolder, damageOf, findCheckpoints } from '../../domain/training/checkpoint-choice.ts';
import { emptyLedger, LatestCheckpoint, TrainingLedger } from '../../domain/training/ledger.ts';
import { sha256Of } from '../../hub/hashing.ts';
import type { Hub } from '../../hub/hub.ts';
import { parseJson } from '../../hub/verified-json.ts';
import { MANIFEST } from '../support/checkpoint-folder.ts';

/** Files of a lane besides its checkpoints. */
export const LANE_FILES = {
  fence: 'fence.json',
  ledger: 'ledger.json',
  latest: 'latest.json',
  metrics: 'metrics.jsonl',
} as const;

/**
 * A lane on the Hub: one branch of the checkpoint repository, so that each lane has a head of its own to compare and swap.
 * Lane `main` is branch `main`, `trial-3` is branch `trial-3`.
 */
export interface Lane {
  hub: Hub;
  repo: RepoRef;
  branch: string;
}

/** What a lane holds at one commit. */
export interface LaneState {
  head: CommitSha;
  fence: Fence | null;
  ledger: TrainingLedger;
  /** Newest first; not verified. */
  checkpoints: CheckpointFolder[];
  /** Files of the lane that this branch was made from, to be deleted. */
  inherited: string[];
}

/** Reads a lane at a commit; null: at its head, and repository and branch are created where they are missing. */
export async function readLane(
  { hub, repo, branch }: Lane,
  commit: CommitSha | null = null,
): Promise<LaneState> {
  const head = commit ?? (await hub.resolve(repo, branch)) ?? (await createLane({ hub, repo, branch }));
  const read = (path: string) => hub.read(repo, head, path);
  const bytes = await read(LANE_FILES.ledger);
  const known =
    bytes === null ? null : parseJson(bytes, TrainingLedger, `${repo.repo} ${LANE_FILES.ledger} at ${head}`);
  const files = await hub.list(repo, head);
  if (known !== null && known.lane !== branch) {
    const inherited = files.map(({ path }) => path).filter((path) => path !== '.gitattributes');
    return { head, fence: null, ledger: emptyLedger(branch), checkpoints: [], inherited };
  }
  return {
    head,
    fence: await readFence({ hub, repo, branch }, head),
    ledger: known ?? emptyLedger(branch),
    checkpoints: findCheckpoints(files),
    inherited: [],
  };
}

async function createLane({ hub, repo, branch }: Lane): Promise<CommitSha> {
  await hub.ensureRepo(repo, { private: true });
  const main = await hub.resolve(repo, 'main');
  if (main !== null && branch !== 'main') await hub.ensureBranch(repo, branch, main);
  const head = await hub.resolve(repo, branch);
  if (head !== null) return head;
  throw new PipelineError(
    'HubUnavailable',
    `expected branch ${branch} in ${repo.repo} after it was created, got none`,
  );
}

/** The fence at a commit; null before the first attempt. */
export async function readFence({ hub, repo }: Lane, head: CommitSha): Promise<Fence | null> {
  const bytes = await hub.read(repo, head, LANE_FILES.fence);
  return bytes === null ? null : parseJson(bytes, Fence, `${repo.repo} ${LANE_FILES.fence} at ${head}`);
}

/** The error of an attempt whose place another one has taken. */
export function fenced(
  lane: Lane,
  token: number,
  fence: { token: number; owner: string } | null,
): PipelineError {
  const other = fence === null ? 'no fence at all' : `token ${fence.token} of ${fence.owner}`;
  return new PipelineError(
    'Fenced',
    `expected to hold fencing token ${token} on ${lane.repo.repo} branch ${lane.branch}, got ${other}: this attempt stops and publishes nothing`,
  );
}

/** A checkpoint that the listing and its manifest speak for, and what was passed over on the way to it. */
export interface Choice {
  checkpoint: CheckpointFolder | null;
  damaged: string[];
}

/** The newest checkpoint whose manifest agrees with the files that the Hub lists; its bytes are verified on download. */
export async function chooseCheckpoint(
  { hub, repo }: Lane,
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
  const bytes = await at.hub.read(at.repo, at.head, LANE_FILES.latest);
  const latest = bytes === null ? null : LatestCheckpoint.safeParse(safeJson(bytes)).data;
  if (latest?.path !== folder || manifest === null) return null;
  const sha256 = sha256Of(manifest);
  if (sha256 === latest.manifestSha256) return null;
  return `${folder}/${MANIFEST}: expected sha256 ${latest.manifestSha256} as in ${LANE_FILES.latest}, got ${sha256}`;
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
