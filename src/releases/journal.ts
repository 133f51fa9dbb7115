import { z } from 'zod';
import { PipelineError } from '../domain/errors.ts';
import { CommitSha, type RepoId } from '../domain/refs.ts';
import { SpaceTrial } from '../domain/release/space-trial.ts';
import { commitOnHead } from '../hub/commit-on-head.ts';
import type { Hub } from '../hub/hub.ts';
import { releaseRepo } from './catalog.ts';

/** `deployments.jsonl` on `main` of a release repository: who put which release into production, and why. */
export const JOURNAL_FILE = 'deployments.jsonl';

const TagOrNull = z.string().nullable();

/** One line: an operation announced (`started`), finished (`done`), or taken back (`undone`). */
export const JournalEntry = z.strictObject({
  id: z.string().min(1),
  state: z.enum(['started', 'done', 'undone']),
  action: z.enum(['deploy', 'rollback']),
  /** The release that goes into production. */
  tag: z.string(),
  /** The release that it takes over from. */
  from: TagOrNull,
  /** Head of the Space after the operation. */
  spaceCommit: CommitSha.nullable(),
  by: z.string(),
  reason: z.string(),
  /** Milliseconds since the epoch. */
  at: z.number(),
  /** What the running Space was found to do. */
  trial: SpaceTrial.nullable().default(null),
  /** Why it was taken back, and how long putting back what was there took until it ran again. */
  problem: z.string().nullable().default(null),
  restoredInSeconds: z.number().nullable().default(null),
});
export type JournalEntry = z.infer<typeof JournalEntry>;

/** All entries, oldest first. */
export async function readJournal(hub: Hub, repo: RepoId, revision = 'main'): Promise<JournalEntry[]> {
  const bytes = await hub.read(releaseRepo(repo), revision, JOURNAL_FILE);
  return bytes === null ? [] : parseJournal(bytes.toString('utf8'), repo);
}

function parseJournal(text: string, repo: RepoId): JournalEntry[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line, index) => {
      const parsed = JournalEntry.safeParse(JSON.parse(line));
      if (parsed.success) return parsed.data;
      throw new PipelineError(
        'Corrupt',
        `Expected a journal entry in ${repo}:${JOURNAL_FILE} line ${index + 1}, got ${parsed.error.message}`,
      );
    });
}

/** Adds an entry unless one of the same id and state is there; compare-and-swap, so that entries have one order. */
export async function appendJournal(hub: Hub, repo: RepoId, entry: JournalEntry): Promise<JournalEntry[]> {
  return commitOnHead<JournalEntry[]>(hub, { repo: releaseRepo(repo) }, async (head) => {
    if (head === null)
      throw new PipelineError('Internal', `Expected a branch main in ${repo} before its journal`);
    const entries = await readJournal(hub, repo, head);
    if (entries.some((e) => e.id === entry.id && e.state === entry.state)) return { done: entries };
    const all = [...entries, entry];
    return {
      message: `${entry.action} ${entry.tag}: ${entry.state}`,
      files: [{ path: JOURNAL_FILE, content: `${all.map((e) => JSON.stringify(e)).join('\n')}\n` }],
      answer: () => all,
    };
  });
}

/**
 * Throws `Fenced` when this operation may change nothing more: another one announced itself after it (the newest intent
 * wins), or another attempt at it has come to its end.
 */
export function refuseSuperseded(entries: JournalEntry[], id: string): void {
  const newest = entries.filter((e) => e.state === 'started').at(-1);
  if (newest !== undefined && newest.id !== id)
    throw new PipelineError(
      'Fenced',
      `A newer ${newest.action} to ${newest.tag} (by ${newest.by}) has started: this one stops and changes nothing more`,
    );
  const end = ended(entries, id);
  if (end !== undefined)
    throw new PipelineError(
      'Fenced',
      `Another attempt at this ${end.action} to ${end.tag} has ended as "${end.state}": this one changes nothing more`,
    );
}

/** How an operation ended; undefined: it has not. */
export function ended(entries: JournalEntry[], id: string): JournalEntry | undefined {
  return entries.find((e) => e.id === id && e.state !== 'started');
}

/** The release that the newest operation wants in production, finished or not; null: it was taken back to nothing. */
export function wanted(entries: JournalEntry[]): string | null {
  const newest = entries.filter((e) => e.state === 'started').at(-1);
  if (newest === undefined) return null;
  return ended(entries, newest.id)?.state === 'undone' ? newest.from : newest.tag;
}
