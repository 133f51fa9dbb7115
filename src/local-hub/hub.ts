import type { Cards } from './cards/cards.ts';
import type { Capabilities } from './http/capabilities.ts';
import type { TokenBook } from './http/tokens.ts';
import type { JobRunner } from './jobs/job-runner.ts';
import type { SpaceRunner } from './spaces/space-runner.ts';
import type { BlobStore } from './store/blobs.ts';
import type { RepoCollection } from './store/repos.ts';
import type { XetSessions } from './xet/sessions.ts';

/** What every endpoint works on. */
export interface Hub {
  readonly root: string;
  readonly blobs: BlobStore;
  readonly repos: RepoCollection;
  readonly cards: Cards;
  readonly xet: XetSessions;
  readonly tokens: TokenBook;
  readonly capabilities: Capabilities;
  /** Runs Spaces' apps; absent where Spaces are only kept. */
  readonly spaces: SpaceRunner | undefined;
  /** Runs jobs; absent where none may run. */
  readonly jobs: JobRunner | undefined;
}
