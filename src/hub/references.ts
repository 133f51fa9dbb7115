import { createBranch, createRepo, deleteRepo as officialDeleteRepo } from '@huggingface/hub';
import { z } from 'zod';
import { CommitSha, type RepoRef } from '../domain/refs.ts';
import { apiUrl, describeRepo, designation } from './addresses.ts';
import { authorized, type Connection } from './connection.ts';
import { HubConflict } from './errors.ts';
import { HubFailure } from './hub-failure.ts';

/** A branch or tag and the commit it stands for. */
export interface NamedCommit {
  name: string;
  commit: CommitSha;
}

const Ref = z.object({ name: z.string(), targetCommit: CommitSha });
const Refs = z.object({ branches: z.array(Ref), tags: z.array(Ref) });
const Revision = z.object({ sha: CommitSha.nullish() });

function isStatus(error: unknown, ...statuses: number[]): boolean {
  return error instanceof HubFailure && error.status !== null && statuses.includes(error.status);
}

/** Creates a repository unless it is there; without `private` it is private. */
export async function ensureRepo(
  hub: Connection,
  repo: RepoRef,
  options: { private?: boolean } = {},
): Promise<void> {
  try {
    await createRepo({
      repo: designation(repo),
      visibility: (options.private ?? true) ? 'private' : 'public',
      ...(repo.type === 'space' ? { sdk: 'gradio' as const } : {}),
      hubUrl: hub.endpoint,
      accessToken: hub.accessToken,
      fetch: hub.transport.fetch,
    });
  } catch (error) {
    if (isStatus(error, 409)) return;
    // A token that may write to this repository, but not create in its namespace, is refused although all is well.
    if (isStatus(error, 403) && (await resolveRevision(hub, repo, 'main')) !== null) return;
    throw error;
  }
}

/** Removes a repository; one that is not there is success. */
export async function deleteRepo(hub: Connection, repo: RepoRef): Promise<void> {
  try {
    await officialDeleteRepo({
      repo: designation(repo),
      hubUrl: hub.endpoint,
      accessToken: hub.accessToken,
      fetch: hub.transport.fetch,
    });
  } catch (error) {
    if (!isStatus(error, 404)) throw error;
  }
}

/** Commit of a branch, tag or sha; null when repository or revision is missing. */
export async function resolveRevision(
  hub: Connection,
  repo: RepoRef,
  revision: string,
): Promise<CommitSha | null> {
  try {
    const url = `${apiUrl(hub.endpoint, repo)}/revision/${encodeURIComponent(revision)}?expand=sha`;
    const response = await hub.transport.fetch(url, { headers: authorized(hub) });
    return Revision.parse(await response.json()).sha ?? null;
  } catch (error) {
    if (isStatus(error, 404)) return null;
    throw error;
  }
}

async function refs(hub: Connection, repo: RepoRef): Promise<z.infer<typeof Refs>> {
  const response = await hub.transport.fetch(`${apiUrl(hub.endpoint, repo)}/refs`, {
    headers: authorized(hub),
  });
  return Refs.parse(await response.json());
}

const toNamed = (ref: z.infer<typeof Ref>): NamedCommit => ({ name: ref.name, commit: ref.targetCommit });

/** Tags of a repository. */
export async function listTags(hub: Connection, repo: RepoRef): Promise<NamedCommit[]> {
  return (await refs(hub, repo)).tags.map(toNamed);
}

/** Branches of a repository. */
export async function listBranches(hub: Connection, repo: RepoRef): Promise<NamedCommit[]> {
  return (await refs(hub, repo)).branches.map(toNamed);
}

/** Tags a commit; the same tag on the same commit is success, on another one `HubConflict`. */
export async function createTag(
  hub: Connection,
  repo: RepoRef,
  tag: NamedCommit & { message?: string | undefined },
): Promise<void> {
  try {
    await hub.transport.fetch(`${apiUrl(hub.endpoint, repo)}/tag/${tag.commit}`, {
      method: 'POST',
      headers: authorized(hub, { 'content-type': 'application/json' }),
      body: JSON.stringify({ tag: tag.name, message: tag.message ?? '' }),
    });
  } catch (error) {
    if (!isStatus(error, 409)) throw error;
    const there = (await listTags(hub, repo)).find(({ name }) => name === tag.name);
    if (there?.commit === tag.commit) return;
    throw new HubConflict(
      `expected tag ${tag.name} of ${describeRepo(repo)} to be free, got one at ${there?.commit ?? 'an unknown commit'}`,
    );
  }
}

/** Removes a tag; one that is not there is success. */
export async function deleteTag(hub: Connection, repo: RepoRef, name: string): Promise<void> {
  try {
    await hub.transport.fetch(`${apiUrl(hub.endpoint, repo)}/tag/${encodeURIComponent(name)}`, {
      method: 'DELETE',
      headers: authorized(hub),
    });
  } catch (error) {
    if (!isStatus(error, 404)) throw error;
  }
}

/** Points a branch at a commit, creating or replacing it. */
export async function setBranch(
  hub: Connection,
  repo: RepoRef,
  { name, commit }: NamedCommit,
): Promise<void> {
  await createBranch({
    repo: designation(repo),
    branch: name,
    revision: commit,
    overwrite: true,
    hubUrl: hub.endpoint,
    accessToken: hub.accessToken,
    fetch: hub.transport.fetch,
  });
}

/** Creates a branch at a commit; one that is there, made by whomever, is left as it is. */
export async function ensureBranch(
  hub: Connection,
  repo: RepoRef,
  { name, commit }: NamedCommit,
): Promise<void> {
  try {
    await createBranch({
      repo: designation(repo),
      branch: name,
      revision: commit,
      hubUrl: hub.endpoint,
      accessToken: hub.accessToken,
      fetch: hub.transport.fetch,
    });
  } catch (error) {
    if (!isStatus(error, 409)) throw error;
  }
}
