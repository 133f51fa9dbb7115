import type { Capabilities } from './http/capabilities.ts';
import type { TokenBook } from './http/tokens.ts';
import type { BlobStore } from './store/blobs.ts';
import type { Repo } from './store/repo.ts';
import type { RepoCollection } from './store/repos.ts';

/** What every endpoint works on. */
export interface Hub {
  readonly root: string;
  readonly blobs: BlobStore;
  readonly repos: RepoCollection;
  readonly tokens: TokenBook;
  readonly capabilities: Capabilities;
  /** The stage of a Space's process, where Spaces are run. */
  readonly spaceStage?: (repo: Repo) => string | undefined;
  /** Where a running Space answers. */
  readonly spaceUrl?: (repo: Repo) => string | undefined;
  /** Called after a commit, pause or restart of a Space. */
  readonly spaceChanged?: (repo: Repo, why: 'commit' | 'pause' | 'restart' | 'delete') => Promise<void>;
}
