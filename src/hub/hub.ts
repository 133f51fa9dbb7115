import type { CommitSha, RepoId, RepoRef, Sha256 } from '../domain/refs.ts';
import type { SpaceRuntime } from './spaces.ts';

/** A file of a repository as a listing shows it. */
export interface HubEntry {
  path: string;
  bytes: number;
  /** Known for files in LFS only. */
  sha256: Sha256 | null;
}

export type HubContent = string | Buffer | { file: string };

export interface CommitRequest {
  repo: RepoRef;
  /** Default `main`. */
  branch?: string;
  /** Compare-and-swap: the commit lands only on this parent, else `HubConflict` is thrown. */
  parent?: CommitSha;
  message: string;
  files?: { path: string; content: HubContent }[];
  delete?: string[];
  signal?: AbortSignal;
  /** Called whenever a part is hashed or a request answered. */
  onProgress?: () => void;
}

/** The repository of datasets, checkpoints, releases and Spaces: one port over the official client. */
export interface Hub {
  readonly endpoint: string;
  /** Name of the token's owner. */
  whoAmI(): Promise<string>;
  /** Creates the repository unless it is there. */
  ensureRepo(repo: RepoRef, options?: { private?: boolean }): Promise<void>;
  /** Removes a repository with all that it holds; one that is not there is success. */
  deleteRepo(repo: RepoRef): Promise<void>;
  /** Commit that a branch, tag or sha stands for; null when repository or revision is missing. */
  resolve(repo: RepoRef, revision?: string): Promise<CommitSha | null>;
  /** Files at a revision, recursively; an empty list when the folder is missing. */
  list(repo: RepoRef, revision: string, folder?: string): Promise<HubEntry[]>;
  /** Whole small file; null when it is missing. */
  read(repo: RepoRef, revision: string, path: string): Promise<Buffer | null>;
  /** Bytes `start` to `end` (exclusive) of a file, with retries. */
  readRange(repo: RepoRef, revision: string, path: string, start: number, end: number): Promise<Buffer>;
  /** Size in bytes and sha256 (LFS files) of one file; null when it is missing. */
  stat(repo: RepoRef, revision: string, path: string): Promise<HubEntry | null>;
  /**
   * Files below `folder` (default: all) at a commit, in `toFolder`, each streamed to a temporary name, verified and
   * renamed; those that are there with the right size (and sha256, where known) are kept. Paths are as in the repository.
   */
  download(p: {
    repo: RepoRef;
    commit: CommitSha;
    folder?: string;
    /** Which of those files are wanted; default: all. */
    wanted?: (path: string) => boolean;
    toFolder: string;
    signal?: AbortSignal;
    onProgress?: (doneBytes: number, totalBytes: number) => void;
  }): Promise<string[]>;
  /** One atomic commit; when nothing changes, the head is returned. Retried where that is safe. */
  commit(request: CommitRequest): Promise<CommitSha>;
  tags(repo: RepoRef): Promise<{ name: string; commit: CommitSha }[]>;
  branches(repo: RepoRef): Promise<{ name: string; commit: CommitSha }[]>;
  createTag(repo: RepoRef, name: string, commit: CommitSha, message?: string): Promise<void>;
  deleteTag(repo: RepoRef, name: string): Promise<void>;
  /** Creates a branch at a commit unless it is there; one that is there is left as it is. */
  ensureBranch(repo: RepoRef, name: string, commit: CommitSha): Promise<void>;
  /** Points a branch at a commit, creating or replacing it. */
  setBranch(repo: RepoRef, name: string, commit: CommitSha): Promise<void>;
  /** Replaces a branch's history by one commit with the same files, and returns it; tags and other branches stay. */
  squash(repo: RepoRef, branch: string, message: string): Promise<CommitSha>;
  /** Frees large files for good; commits keep their ids, and those that still name such a file have lost it. */
  deleteLargeFiles(repo: RepoRef, sha256s: readonly Sha256[]): Promise<void>;
  /** State of a Space's app; null where there is no such Space. */
  spaceRuntime(space: RepoId): Promise<SpaceRuntime | null>;
  /** Address at which a Space's app answers; null: nowhere now. */
  spaceHost(space: RepoId): Promise<string | null>;
  requestHardware(space: RepoId, flavor: string): Promise<void>;
  /** Names of a Space's secrets. */
  spaceSecrets(space: RepoId): Promise<string[]>;
  setSpaceSecret(space: RepoId, secret: { key: string; value: string }): Promise<void>;
  /** Starts a stopped, sleeping or paused Space. */
  restartSpace(space: RepoId): Promise<void>;
}
