import { randomUUID } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { pathToFileURL } from 'node:url';
import { type CommitOperation, commitIter } from '@huggingface/hub';
import { z } from 'zod';
import { CommitSha, type RepoRef } from '../domain/refs.ts';
import { apiUrl, describeRepo, designation } from './addresses.ts';
import { authorized, type Connection } from './connection.ts';
import { HubConflict } from './errors.ts';
import { gitBlobId, gitBlobIdOfFile, sha256Of, sha256OfFile } from './hashing.ts';
import type { CommitRequest, HubContent } from './hub.ts';
import { HubFailure } from './hub-failure.ts';
import { type ListedFile, listFolder, lookUp } from './listing.ts';
import { resolveRevision } from './references.ts';
import { pause } from './transport.ts';

const History = z.array(z.object({ id: CommitSha, title: z.string(), message: z.string().nullish() }));

/**
 * Lands one commit, or returns the head when there is nothing to change. The description carries an id, by which a commit
 * whose answer got lost is found again: it is never applied twice, and a compare-and-swap that won is never taken for lost.
 */
export async function commitChanges(hub: Connection, request: CommitRequest): Promise<CommitSha> {
  const branch = request.branch ?? 'main';
  const mark = `plein-air-commit: ${randomUUID()}`;
  let uncertain = false;
  for (let tried = 1; ; tried += 1) {
    request.signal?.throwIfAborted();
    try {
      const head = await headOf(hub, request.repo, branch);
      const landed = uncertain ? await findMark(hub, request.repo, branch, mark) : null;
      if (landed !== null) return landed;
      if (request.parent !== undefined && request.parent !== head) throw lost(request, branch, head);
      const operations = await neededOperations(hub, request, head);
      if (operations.length === 0) return head;
      return await send(hub, request, { branch, mark, operations });
    } catch (error) {
      request.signal?.throwIfAborted();
      if (!(error instanceof HubFailure)) throw error;
      const raced = error.status === 409 || error.status === 412;
      if (error.transient && error.status !== 429) uncertain = true;
      if (!(raced || error.transient || isStorage(hub, error)) || tried >= hub.transport.patience.attempts)
        throw error;
      await pause(hub.transport.patience, tried, error, request.signal);
    }
  }
}

async function send(
  hub: Connection,
  request: CommitRequest,
  p: { branch: string; mark: string; operations: CommitOperation[] },
): Promise<CommitSha> {
  const events = commitIter({
    repo: designation(request.repo),
    branch: p.branch,
    title: request.message,
    description: p.mark,
    operations: p.operations,
    hubUrl: hub.endpoint,
    accessToken: hub.accessToken,
    fetch: async (...p: Parameters<typeof fetch>) => {
      const answer = await hub.transport.fetch(...p);
      request.onProgress?.();
      return answer;
    },
    // Plain LFS: each part is one request that can be repeated by itself.
    useXet: false,
    ...(request.parent === undefined ? {} : { parentCommit: request.parent }),
    ...(request.signal === undefined ? {} : { abortSignal: request.signal }),
  });
  for (;;) {
    const { value, done } = await events.next();
    if (done === true) return CommitSha.parse(value?.commit.oid);
    request.onProgress?.();
  }
}

function lost(request: CommitRequest, branch: string, head: string): HubConflict {
  return new HubConflict(
    `expected ${describeRepo(request.repo)} branch ${branch} at ${request.parent}, got ${head}: somebody committed in between`,
  );
}

async function headOf(hub: Connection, repo: RepoRef, branch: string): Promise<CommitSha> {
  const head = await resolveRevision(hub, repo, branch);
  if (head !== null) return head;
  throw new HubFailure({
    status: 404,
    where: describeRepo(repo),
    reason: `no branch ${branch}: create the repository or the branch before the commit`,
  });
}

/** Uploads go to addresses that the Hub signs and that expire: a fresh batch may mend what they refuse. */
function isStorage(hub: Connection, error: HubFailure): boolean {
  return (
    error.status !== null &&
    !error.where.includes(` ${hub.endpoint}/api/`) &&
    !error.where.endsWith('/objects/batch')
  );
}

async function findMark(
  hub: Connection,
  repo: RepoRef,
  branch: string,
  mark: string,
): Promise<CommitSha | null> {
  const url = `${apiUrl(hub.endpoint, repo)}/commits/${encodeURIComponent(branch)}?limit=50`;
  const response = await hub.transport.fetch(url, { headers: authorized(hub) });
  const found = History.parse(await response.json()).find(({ message }) => message?.includes(mark));
  return found?.id ?? null;
}

/** The changes that are left when files with the same content and deletions of missing files are taken out. */
async function neededOperations(
  hub: Connection,
  request: CommitRequest,
  head: CommitSha,
): Promise<CommitOperation[]> {
  const files = request.files ?? [];
  const deletions = (request.delete ?? []).map((path) => path.replace(/\/+$/, ''));
  const paths = [...files.map(({ path }) => path), ...deletions];
  const there = await lookUp(hub, { repo: request.repo, revision: head, paths });
  const written = new Set(files.map(({ path }) => path));
  const operations: CommitOperation[] = [];
  for (const { path, content } of files) {
    const known = there.get(path);
    if (known !== undefined && known !== 'folder' && (await isSame(content, known))) continue;
    const source =
      typeof content === 'object' && 'file' in content
        ? pathToFileURL(content.file)
        : new Blob([new Uint8Array(Buffer.from(content))]);
    operations.push({ operation: 'addOrUpdate', path, content: source });
  }
  for (const path of deletions) {
    const known = there.get(path);
    const gone =
      known === 'folder'
        ? (await listFolder(hub, { repo: request.repo, revision: head, folder: path })).map(
            (file) => file.path,
          )
        : known === undefined
          ? []
          : [path];
    for (const file of gone) if (!written.has(file)) operations.push({ operation: 'delete', path: file });
  }
  return operations;
}

async function isSame(content: HubContent, known: ListedFile): Promise<boolean> {
  if (typeof content === 'object' && 'file' in content) {
    if ((await stat(content.file)).size !== known.bytes) return false;
    return known.sha256 === null
      ? (await gitBlobIdOfFile(content.file)) === known.gitId
      : (await sha256OfFile(content.file)) === known.sha256;
  }
  const bytes = Buffer.from(content);
  if (bytes.length !== known.bytes) return false;
  return known.sha256 === null ? gitBlobId(bytes) === known.gitId : sha256Of(bytes) === known.sha256;
}
