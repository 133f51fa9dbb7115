import { open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { replaceFile } from './durable.ts';

/** A line of the journal of large files that were committed to a repo. */
export interface LfsJournalLine {
  readonly oid: string;
  readonly size: number;
  readonly path: string;
  readonly ref: string;
  readonly pushedAt: string;
  readonly pusher: string;
  readonly deleted?: true;
}

/** What a repo remembers of its large files: every one that was committed, and which were deleted for good. */
export class LfsJournal {
  readonly #root: string;
  readonly #path: string;
  #deleted: Promise<Set<string>> | undefined;

  constructor(root: string, repoFolder: string) {
    this.#root = root;
    this.#path = join(repoFolder, 'lfs.jsonl');
  }

  /** Remembers large files; written before a ref moves, so that it lists at least what refs reach. */
  async append(lines: readonly LfsJournalLine[]): Promise<void> {
    if (lines.length === 0) return;
    // The leading newline ends a line that a crash may have torn.
    const text = lines.map((line) => `\n${JSON.stringify(line)}`).join('');
    const deleted = await this.deleted();
    const file = await open(this.#path, 'a');
    try {
      await file.writeFile(`${text}\n`);
      await file.sync();
    } finally {
      await file.close();
    }
    for (const line of lines) {
      if (line.deleted) deleted.add(line.oid);
      else deleted.delete(line.oid);
    }
  }

  /** The newest line of every large file, oldest first; a torn last line of a crash is skipped. */
  async read(): Promise<Map<string, LfsJournalLine>> {
    const text = await readFile(this.#path, 'utf8').catch(() => '');
    const lines = new Map<string, LfsJournalLine>();
    for (const raw of text.split('\n')) {
      try {
        const line = JSON.parse(raw) as LfsJournalLine;
        lines.set(line.oid, line);
      } catch {}
    }
    return lines;
  }

  /** The sha256 of every large file that was deleted for good and not committed again since. */
  deleted(): Promise<Set<string>> {
    this.#deleted ??= this.read().then(
      (lines) => new Set([...lines.values()].filter((line) => line.deleted).map(({ oid }) => oid)),
    );
    return this.#deleted;
  }

  /**
   * Drops the lines of large files whose bytes are gone, in one rename; returns how many. Deletions for good stay: older
   * commits may still name those files.
   */
  async forget(isGone: (oid: string) => boolean): Promise<number> {
    const lines = [...(await this.read()).values()];
    const kept = lines.filter(({ oid, deleted }) => deleted || !isGone(oid));
    if (kept.length === lines.length) return 0;
    await replaceFile(this.#root, this.#path, kept.map((line) => `${JSON.stringify(line)}\n`).join(''));
    return lines.length - kept.length;
  }
}
