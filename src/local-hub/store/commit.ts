import { HubError, revisionNotFound } from '../http/errors.ts';
import type { LfsJournalLine } from './lfs-journal.ts';
import type { CommitRecord, Repo } from './repo.ts';
import { applyChanges, type TreeChange } from './tree.ts';

/** A commit to make. `create` lets it be the first of a new branch; `parent` must then be the branch's head. */
export interface CommitRequest {
  /** A branch, or with `kind` a pull request by its number. */
  readonly branch: string;
  readonly kind?: 'heads' | 'pr';
  readonly changes: readonly TreeChange[];
  readonly title: string;
  readonly message: string;
  readonly author: string;
  readonly parent?: string | undefined;
  readonly create?: boolean;
}

/**
 * Commits all changes or none: records first, then one rename moves the branch. Without a change the head
 * stays, and large files that were deleted for good and came again are served again.
 */
export async function commitChanges(repo: Repo, request: CommitRequest): Promise<string> {
  const kind = request.kind ?? 'heads';
  const head = await repo.refs.read(kind, request.branch);
  if (head === undefined && !request.create) throw revisionNotFound(request.branch);
  if (request.parent !== undefined && request.parent !== head) {
    throw new HubError(
      412,
      `A commit has happened since: expected the head of ${request.branch} to be ${request.parent}, it is ${head}. Refresh and try again.`,
      'PreconditionFailed',
    );
  }
  const before = head === undefined ? undefined : await repo.commit(head);
  const tree = await applyChanges(repo.objects, before?.tree ?? null, request.changes);
  const date = new Date().toISOString();
  const journal = journalOf(request, date);
  if (head !== undefined && tree === before?.tree) {
    const deleted = await repo.lfs.deleted();
    await repo.lfs.append(journal.filter(({ oid }) => deleted.has(oid)));
    return head;
  }
  const record: CommitRecord = {
    tree,
    parents: head === undefined ? [] : [head],
    number: (before?.number ?? 0) + 1,
    title: request.title,
    message: request.message,
    author: request.author,
    date,
  };
  const oid = await repo.objects.write('commit', record);
  await repo.lfs.append(journal);
  await repo.refs.write(kind, request.branch, oid);
  return oid;
}

function journalOf(request: CommitRequest, pushedAt: string): LfsJournalLine[] {
  return request.changes.flatMap((change) =>
    change.kind === 'put' && change.file.lfs
      ? [
          {
            oid: change.file.sha256,
            size: change.file.size,
            path: change.path.join('/'),
            ref: `refs/${request.kind ?? 'heads'}/${request.branch}`,
            pushedAt,
            pusher: request.author,
          },
        ]
      : [],
  );
}
