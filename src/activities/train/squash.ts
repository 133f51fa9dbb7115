import type { CommitSha, Sha256 } from '../../domain/refs.ts';
import { fenced, type Lane, readFence } from './branch.ts';

/** What tidying left: the lane's new head, and the large files that are still named by somebody. */
export interface TidyLane {
  head: CommitSha;
  stillReferenced: Sha256[];
}

/**
 * Gives the storage of dropped checkpoints back: the lane's history becomes one commit with the same files, then large files
 * are freed that this lane dropped and that no branch and no tag names. Whoever is killed in between leaves a whole lane; the
 * ledger still lists what to free. A squash keeps what is there, whoever does it; before anything is freed, the fence decides.
 */
export async function tidyLane(
  lane: Lane,
  token: number,
  pendingDeletions: readonly Sha256[],
): Promise<TidyLane> {
  const { hub, repo, branch } = lane;
  const head = await hub.squash(repo, branch, `Squash branch ${branch}`);
  if (pendingDeletions.length === 0) return { head, stillReferenced: [] };
  const named = new Set<string>();
  const heads = [...(await hub.branches(repo)), ...(await hub.tags(repo))];
  for (const commit of new Set(heads.map((ref) => ref.commit)))
    for (const { sha256 } of await hub.list(repo, commit)) if (sha256 !== null) named.add(sha256);
  const fence = await readFence(lane, head);
  if (fence?.token !== token) throw fenced(lane, token, fence);
  await hub.deleteLargeFiles(
    repo,
    pendingDeletions.filter((sha256) => !named.has(sha256)),
  );
  return { head, stillReferenced: pendingDeletions.filter((sha256) => named.has(sha256)) };
}
