import { z } from 'zod';
import { PipelineError } from '../domain/errors.ts';
import { CommitSha, type RepoId } from '../domain/refs.ts';
import { type Hub, HubConflict } from '../hub/hub.ts';
import { releaseRepo } from './catalogue.ts';

/** `deployments.jsonl` on `main` of a release repository: who put which release into production, and why. */
export const JOURNAL_FILE = 'deployments.jsonl';

const TagOrNull = z.string().nullable();

/** One line: an operation announced (`started`) or finished (`done`). */
export const JournalEntry = z.strictObject({
  id: z.string().min(1),
  state: z.enum(['started', 'done']),
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
  const ref = releaseRepo(repo);
  for (let attempt = 0; ; attempt++) {
    const parent = await hub.resolve(ref, 'main');
    if (parent === null)
      throw new PipelineError('Internal', `Expected a branch main in ${repo} before its journal`);
    const entries = await readJournal(hub, repo, parent);
    if (entries.some((e) => e.id === entry.id && e.state === entry.state)) return entries;
    const all = [...entries, entry];
    try {
      await hub.commit({
        repo: ref,
        parent,
        message: `${entry.action} ${entry.tag}: ${entry.state}`,
        files: [{ path: JOURNAL_FILE, content: `${all.map((e) => JSON.stringify(e)).join('\n')}\n` }],
      });
      return all;
    } catch (error) {
      if (!(error instanceof HubConflict) || attempt >= 9) throw error;
    }
  }
}

/** Throws `Fenced` when another operation announced itself after this one: the newest intent wins. */
export function refuseSuperseded(entries: JournalEntry[], id: string): void {
  const starts = entries.filter((e) => e.state === 'started');
  const newest = starts.at(-1);
  if (newest === undefined || newest.id === id) return;
  throw new PipelineError(
    'Fenced',
    `A newer ${newest.action} to ${newest.tag} (by ${newest.by}) has started: this one stops and changes nothing more`,
  );
}
