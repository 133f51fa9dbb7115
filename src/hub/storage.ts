import type { CommitSha, RepoRef, Sha256 } from '../domain/refs.ts';
import { apiUrl, describeRepo } from './addresses.ts';
import { authorized, type Connection } from './connection.ts';
import { HubFailure } from './hub-failure.ts';
import { resolveRevision } from './references.ts';

/** Most objects that one request may name. */
const BATCH = 500;

/** One commit with the files of the branch's head and no history; the Hub does it in one move of the branch. */
export async function squashHistory(
  hub: Connection,
  repo: RepoRef,
  { branch, message }: { branch: string; message: string },
): Promise<CommitSha> {
  await hub.transport.fetch(`${apiUrl(hub.endpoint, repo)}/super-squash/${encodeURIComponent(branch)}`, {
    method: 'POST',
    headers: authorized(hub, { 'content-type': 'application/json' }),
    body: JSON.stringify({ message }),
  });
  const head = await resolveRevision(hub, repo, branch);
  if (head !== null) return head;
  throw new HubFailure({
    status: 404,
    where: describeRepo(repo),
    reason: `no branch ${branch} after its squash`,
  });
}

/** Frees large files; `rewriteHistory` is off, so that no commit that somebody refers to changes its id. */
export async function deleteLargeFiles(
  hub: Connection,
  repo: RepoRef,
  sha256s: readonly Sha256[],
): Promise<void> {
  for (let at = 0; at < sha256s.length; at += BATCH)
    await hub.transport.fetch(`${apiUrl(hub.endpoint, repo)}/lfs-files/batch`, {
      method: 'POST',
      headers: authorized(hub, { 'content-type': 'application/json' }),
      body: JSON.stringify({ deletions: { sha: sha256s.slice(at, at + BATCH), rewriteHistory: false } }),
    });
}
