import { open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { HubError, revisionNotFound } from '../http/errors.ts';
import { replaceFile } from './durable.ts';
import { Mutex } from './mutex.ts';
import { ObjectStore } from './objects.ts';
import { RefStore } from './refs.ts';

/** The kinds of repos, as their API paths name them without the plural s. */
export const RepoType = z.enum(['model', 'dataset', 'space']);
export type RepoType = z.infer<typeof RepoType>;

/** What a repo remembers beside its commits. Secrets' values are write-only through the API. */
export const RepoRecord = z.object({
  uid: z.string(),
  createdAt: z.string(),
  private: z.boolean().default(false),
  gated: z.union([z.literal(false), z.enum(['auto', 'manual'])]).default(false),
  sdk: z.string().optional(),
  hardware: z.string().default('cpu-basic'),
  requestedHardware: z.string().optional(),
  sleepTime: z.number().optional(),
  paused: z.boolean().default(false),
  secrets: z
    .record(
      z.string(),
      z.object({ value: z.string(), description: z.string().optional(), updatedAt: z.string() }),
    )
    .default({}),
  variables: z
    .record(
      z.string(),
      z.object({ value: z.string(), description: z.string().optional(), updatedAt: z.string() }),
    )
    .default({}),
});
export type RepoRecord = z.infer<typeof RepoRecord>;

/** An immutable commit; `number` counts from 1 at the root, so that history need not be walked to count it. */
export interface CommitRecord {
  readonly tree: string | null;
  readonly parents: readonly string[];
  readonly number: number;
  readonly title: string;
  readonly message: string;
  readonly author: string;
  readonly date: string;
}

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

/** One repo on disk. */
export class Repo {
  readonly type: RepoType;
  readonly id: string;
  readonly folder: string;
  readonly objects: ObjectStore;
  readonly refs: RefStore;
  readonly mutex = new Mutex();
  readonly #root: string;
  record: RepoRecord;
  /** Set once the repo was deleted or moved: what waited for its lock finds nothing. */
  gone = false;

  constructor(root: string, at: { type: RepoType; id: string; folder: string; record: RepoRecord }) {
    this.#root = root;
    this.type = at.type;
    this.id = at.id;
    this.folder = at.folder;
    this.record = at.record;
    this.objects = new ObjectStore(root, at.folder);
    this.refs = new RefStore(root, at.folder);
  }

  /** Changes settings durably. */
  async update(change: Partial<RepoRecord>): Promise<void> {
    const record = { ...this.record, ...change };
    await replaceFile(this.#root, join(this.folder, 'repo.json'), JSON.stringify(record, null, 2));
    this.record = record;
  }

  /** Reads a commit that this repo holds. */
  async commit(oid: string): Promise<CommitRecord> {
    const commit = await this.objects.read<CommitRecord>('commit', oid);
    if (!commit) throw revisionNotFound(oid);
    return commit;
  }

  /** The commit that a branch, a tag, `refs/heads/…` or 40 hexadecimal digits name. */
  async resolve(revision: string): Promise<string> {
    const branch = revision.startsWith('refs/heads/') ? revision.slice('refs/heads/'.length) : revision;
    const head = revision === 'HEAD' ? await this.refs.read('heads', 'main') : undefined;
    if (head !== undefined) return head;
    const tag = revision.startsWith('refs/tags/') ? revision.slice('refs/tags/'.length) : revision;
    const target = (await this.refs.read('heads', branch)) ?? (await this.refs.read('tags', tag));
    if (target !== undefined) return target;
    if (/^[0-9a-f]{40}$/.test(revision) && (await this.objects.read('commit', revision))) return revision;
    throw revisionNotFound(revision);
  }

  /** Runs a change of refs alone; with more than `limit` others before it the client is told to try again. */
  async exclusively<T>(task: () => Promise<T>, limit = 64): Promise<T> {
    if (this.mutex.waiting >= limit) {
      throw new HubError(409, 'Another operation holds the lock of this repo: try again');
    }
    return this.mutex.run(async () => {
      if (this.gone) throw new HubError(404, 'Repository not found', 'RepoNotFound');
      return task();
    });
  }

  /** Remembers large files of a commit; written before the ref moves, so that it lists at least what refs reach. */
  async appendLfsJournal(lines: readonly LfsJournalLine[]): Promise<void> {
    if (lines.length === 0) return;
    // The leading newline ends a line that a crash may have torn.
    const text = lines.map((line) => `\n${JSON.stringify(line)}`).join('');
    const file = await open(join(this.folder, 'lfs.jsonl'), 'a');
    try {
      await file.writeFile(`${text}\n`);
      await file.sync();
    } finally {
      await file.close();
    }
  }

  /** The newest line of every large file, oldest first; a torn last line of a crash is skipped. */
  async readLfsJournal(): Promise<Map<string, LfsJournalLine>> {
    const text = await readFile(join(this.folder, 'lfs.jsonl'), 'utf8').catch(() => '');
    const lines = new Map<string, LfsJournalLine>();
    for (const raw of text.split('\n')) {
      try {
        const line = JSON.parse(raw) as LfsJournalLine;
        lines.set(line.oid, line);
      } catch {}
    }
    return lines;
  }
}
