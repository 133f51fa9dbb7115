import type { CommitSha, Sha256 } from '../../domain/refs.ts';
import { fenced, readFence, type TrainingBranch } from './branch.ts';

/** What tidying left: the branch's new head, and the large files that are still named by somebody. */
export interface TidiedBranch {
  head: CommitSha;
  stillReferenced: Sha256[];
}

/**
 * Gives the storage of dropped checkpoints back: the branch's history becomes one commit with the same files, then large files
 * are freed that this branch dropped and that no branch and no tag names. Whoever is killed in between leaves a whole branch; the
 * ledger still lists what to free. A squash keeps what is there, whoever does it; before anything is freed, the fence decides.
 */
export async function tidyBranch(
  branch: TrainingBranch,
  token: number,
  pendingDeletions: readonly Sha256[],
): Promise<TidiedBranch> {
  const { hub, repo, name } = branch;
  const head = await hub.squash(repo, name, `Squash branch ${name}`);
  if (pendingDeletions.length === 0) return { head, stillReferenced: [] };
  const named = new Set<string>();
  const heads = [...(await hub.branches(repo)), ...(await hub.tags(repo))];
  for (const commit of new Set(heads.map((ref) => ref.commit)))
    for (const { sha256 } of await hub.list(repo, commit)) if (sha256 !== null) named.add(sha256);
  const fence = await readFence(branch, head);
  if (fence?.token !== token) throw fenced(branch, token, fence);
  await hub.deleteLargeFiles(
    repo,
    pendingDeletions.filter((sha256) => !named.has(sha256)),
  );
  return { head, stillReferenced: pendingDeletions.filter((sha256) => named.has(sha256)) };
}
