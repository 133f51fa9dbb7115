import { setTimeout as sleep } from 'node:timers/promises';
import { PipelineError } from '../domain/errors.ts';
import type { CommitSha, RepoRef } from '../domain/refs.ts';
import { HubConflict } from './errors.ts';
import type { CommitRequest, Hub } from './hub.ts';

/** What a commit changes on the head that it was built from, and what its author makes of it once it has landed. */
export interface Changes<T> extends Pick<CommitRequest, 'message' | 'files' | 'delete'> {
  /** Folders whose files go, unless this commit writes them; `''`: the whole repository. */
  replace?: readonly string[];
  /** A `HubConflict` here, such as a tag that another writer took, has the commit built again. */
  answer: (commit: CommitSha) => Promise<T> | T;
}

/** Where commits go, and what may end them. */
export type Target = Pick<CommitRequest, 'repo' | 'branch' | 'signal' | 'onProgress'>;

/** Races lost in a row after which the activity fails and is retried; in each of them another writer made progress. */
const MAX_CONFLICTS = 20;

/**
 * Builds a commit from the head of a branch and lands it on that very head; when another writer was faster, it is built
 * again from the new head. `build` answers with changes, or with `done` when the head leaves nothing to do; the head is
 * null where there is no such branch.
 *
 * @throws PipelineError `HubUnavailable` after 20 lost races; whatever the Hub or `build` throws.
 */
export async function commitOnHead<T>(
  hub: Hub,
  target: Target,
  build: (head: CommitSha | null) => Promise<Changes<T> | { done: T }> | Changes<T> | { done: T },
): Promise<T> {
  for (let conflicts = 1; ; conflicts += 1) {
    target.signal?.throwIfAborted();
    const head = await hub.resolve(target.repo, target.branch ?? 'main');
    const built = await build(head);
    if ('done' in built) return built.done;
    const { answer, replace, ...commit } = built;
    const replaced = head === null ? [] : await unwritten(hub, target.repo, head, built);
    const parent = head === null ? {} : { parent: head };
    try {
      return await answer(
        await hub.commit({
          ...target,
          ...parent,
          ...commit,
          delete: [...(commit.delete ?? []), ...replaced],
        }),
      );
    } catch (error) {
      if (!(error instanceof HubConflict)) throw error;
      if (conflicts >= MAX_CONFLICTS)
        throw new PipelineError(
          'HubUnavailable',
          `expected to commit "${commit.message}" to ${target.repo.repo}, but other writers committed first ${MAX_CONFLICTS} times: it is tried again`,
          { cause: error },
        );
      await pause(Math.random() * 25 * conflicts, target.signal);
    }
  }
}

/** Files below the replaced folders that the commit does not write itself. */
async function unwritten(
  hub: Hub,
  repo: RepoRef,
  head: CommitSha,
  { replace = [], files = [] }: Pick<Changes<unknown>, 'replace' | 'files'>,
): Promise<string[]> {
  const written = new Set(['.gitattributes', ...files.map(({ path }) => path)]);
  const listed = await Promise.all(
    replace.map((folder) => (folder === '' ? hub.list(repo, head) : hub.list(repo, head, folder))),
  );
  return listed.flat().flatMap(({ path }) => (written.has(path) ? [] : [path]));
}

/** Two writers that met do not meet again at once. */
async function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  await sleep(ms, undefined, signal === undefined ? {} : { signal }).catch(() => undefined);
}
