import type { Hub } from '../../hub/hub.ts';

/** What preparation says while it works; `done` of `total` pictures, row groups, files or bytes. */
export interface PrepareProgress {
  stage: string;
  done: number;
  total: number;
}

export interface PrepareDeps {
  hub: Hub;
  /** Folder for work in progress; results in it survive a retry on the same machine. */
  workDir: string;
  heartbeat(progress: PrepareProgress): void;
  /** Asked for at the start of each call. */
  signal?: () => AbortSignal | undefined;
}
