import { rm } from 'node:fs/promises';
import { join } from 'node:path';

interface Session {
  /** sha256 of files that its shards rebuilt and no commit has named yet. */
  readonly uncommitted: Set<string>;
  /** Requests that are being answered. */
  active: number;
  /** Whether any file was rebuilt. */
  used: boolean;
}

/** Upload sessions of Xet and their xorbs on disk, which are let go when every file that they were sent for is committed. */
export class XetSessions {
  readonly #root: string;
  readonly #sessions = new Map<string, Session>();

  constructor(root: string) {
    this.#root = root;
  }

  /** Where the xorbs of a session are. */
  folder(id: string): string {
    return join(this.#root, 'tmp', `xet-${id}`);
  }

  /** Answers one request of a session, whose xorbs stay meanwhile; `rebuilt` names the files that it stores. */
  async during(id: string, work: (rebuilt: (sha256: string) => void) => Promise<void>): Promise<void> {
    const session = this.#sessions.get(id) ?? { uncommitted: new Set(), active: 0, used: false };
    this.#sessions.set(id, session);
    session.active += 1;
    try {
      await work((sha256) => {
        session.used = true;
        session.uncommitted.add(sha256);
      });
    } finally {
      session.active -= 1;
    }
  }

  /** Lets go of the sessions all of whose files are committed by now. */
  async committed(sha256s: readonly string[]): Promise<void> {
    for (const [id, session] of [...this.#sessions]) {
      for (const sha256 of sha256s) session.uncommitted.delete(sha256);
      if (!session.used || session.active > 0 || session.uncommitted.size > 0) continue;
      this.#sessions.delete(id);
      await rm(this.folder(id), { recursive: true, force: true });
    }
  }
}
