import type { RepoId } from '../domain/refs.ts';
import type { Hub } from '../hub/hub.ts';
import type { JournalEntry } from './journal.ts';

/** What is put into production, and how. */
export interface Promotion {
  hub: Hub;
  release: RepoId;
  space: RepoId | null;
  /** Same id, same operation: a second call finishes or repeats the first one's answer. */
  id: string;
  action: JournalEntry['action'];
  /** Chooses the release once; later calls of the same id keep the choice. */
  choose: (production: string | null) => Promise<string>;
  by: string;
  reason: string;
  privateSpace: boolean;
  /** Token that may read, for the Space and for asking it; null: everything is public. */
  spaceToken: string | null;
  now: () => number;
  /** Called after every step that changed something, and while the Space is waited for. */
  onStep: (step: string) => void;
  signal?: AbortSignal | undefined;
}
