import { join } from 'node:path';
import { z } from 'zod';
import { HubError, revisionNotFound } from '../http/errors.ts';
import { type Entry, isFolder } from './directories.ts';
import { replaceFile } from './durable.ts';
import { LfsJournal } from './lfs-journal.ts';
import { Mutex } from './mutex.ts';
import { ObjectStore } from './objects.ts';
import type { RecordCache } from './record-cache.ts';
import { type RefKind, RefStore } from './refs.ts';

/** Longest wait for a repo's lock that a client is let in for, and most that may wait whatever they do. */
const MAX_WAIT_MS = 20_000;
const MAX_WAITING = 5000;

/** The kinds of repos, as their API paths name them without the plural s. */
export const RepoType = z.enum(['model', 'dataset', 'space']);
export type RepoType = z.infer<typeof RepoType>;

/** Where a user's wish to read a gated repo stands. */
const AccessRequest = z.object({
  status: z.enum(['accepted', 'rejected', 'pending']),
  timestamp: z.string(),
});
export type AccessRequest = z.infer<typeof AccessRequest>;

/** A proposal to change a branch: its commits are at `refs/pr/{num}`, which began at `from`. */
const PullRequest = z.object({
  num: z.number().int(),
  title: z.string(),
  author: z.string(),
  createdAt: z.string(),
  status: z.enum(['open', 'closed', 'merged']),
  base: z.string(),
  from: z.string(),
  mergeCommit: z.string().optional(),
  events: z.array(
    z.object({
      type: z.enum(['comment', 'status-change', 'title-change']),
      author: z.string(),
      createdAt: z.string(),
      text: z.string().optional(),
    }),
  ),
});
export type PullRequest = z.infer<typeof PullRequest>;

/** What a repo remembers beside its commits. Secrets' values are write-only through the API. */
export const RepoRecord = z.object({
  uid: z.string(),
  createdAt: z.string(),
  private: z.boolean().default(false),
  gated: z.union([z.literal(false), z.enum(['auto', 'manual'])]).default(false),
  /** By user name. */
  access: z.record(z.string(), AccessRequest).default({}),
  /** Whether pull requests are refused. */
  discussionsDisabled: z.boolean().default(false),
  pullRequests: z.array(PullRequest).default([]),
  /** Messages of tags that have one. */
  tagMessages: z.record(z.string(), z.string()).default({}),
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

/** One repo on disk. */
export class Repo {
  readonly type: RepoType;
  readonly id: string;
  readonly folder: string;
  readonly objects: ObjectStore;
  readonly refs: RefStore;
  readonly lfs: LfsJournal;
  readonly mutex = new Mutex();
  readonly #root: string;
  record: RepoRecord;
  /** Set once the repo was deleted or moved: what waited for its lock finds nothing. */
  gone = false;

  constructor(
    root: string,
    at: { type: RepoType; id: string; folder: string; record: RepoRecord; cache: RecordCache },
  ) {
    this.#root = root;
    this.type = at.type;
    this.id = at.id;
    this.folder = at.folder;
    this.record = at.record;
    this.objects = new ObjectStore(root, at.folder, at.cache);
    this.refs = new RefStore(root, at.folder);
    this.lfs = new LfsJournal(root, at.folder);
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
    const pull = /^refs\/pr\/(\d+)$/.exec(revision)?.[1];
    const proposed = pull === undefined ? undefined : await this.refs.read('pr', pull);
    if (proposed !== undefined) return proposed;
    const head = revision === 'HEAD' ? await this.refs.read('heads', 'main') : undefined;
    if (head !== undefined) return head;
    const tag = revision.startsWith('refs/tags/') ? revision.slice('refs/tags/'.length) : revision;
    const target = (await this.refs.read('heads', branch)) ?? (await this.refs.read('tags', tag));
    if (target !== undefined) return target;
    if (/^[0-9a-f]{40}$/.test(revision) && (await this.objects.read('commit', revision))) return revision;
    throw revisionNotFound(revision);
  }

  /** Whether a branch or tag has this name, with `refs/…` before it or not. */
  async isRef(name: string): Promise<boolean> {
    const [, kind, rest] = /^refs\/(heads|tags)\/(.+)$/.exec(name) ?? [];
    if (rest !== undefined) return (await this.refs.read(kind as RefKind, rest)) !== undefined;
    return (
      (await this.refs.read('heads', name)) !== undefined ||
      (await this.refs.read('tags', name)) !== undefined
    );
  }

  /** The one commit whose id begins so, for 7 characters or more. */
  async resolveShort(revision: string): Promise<string> {
    if (!/^[0-9a-f]{7,39}$/.test(revision)) return this.resolve(revision);
    const found: string[] = [];
    for (const oid of await this.objects.beginningWith(revision))
      if (await this.objects.read('commit', oid)) found.push(oid);
    return found.length === 1 ? (found[0] as string) : this.resolve(revision);
  }

  /** Runs a change of refs alone; where it would wait too long behind others the client is told to try again. */
  async exclusively<T>(task: () => Promise<T>): Promise<T> {
    if (this.mutex.expectedWaitMs > MAX_WAIT_MS || this.mutex.waiting >= MAX_WAITING) {
      throw new HubError(409, 'Another operation holds the lock of this repo: try again');
    }
    return this.mutex.run(async () => {
      if (this.gone) throw new HubError(404, 'Repository not found', 'RepoNotFound');
      return task();
    });
  }
}

/** Whether an entry is a large file that this repo deleted for good: older commits may still name it. */
export async function isDeleted(repo: Repo, entry: Entry | undefined): Promise<boolean> {
  return (
    entry !== undefined &&
    !isFolder(entry) &&
    entry.lfs === true &&
    (await repo.lfs.deleted()).has(entry.sha256)
  );
}
