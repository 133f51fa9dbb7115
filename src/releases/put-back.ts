import { PipelineError } from '../domain/errors.ts';
import type { SpaceTrial } from '../domain/release/space-trial.ts';
import { emptySpace } from '../space/space-repo.ts';
import { findRelease, PRODUCTION, tagAt } from './catalog.ts';
import { appendJournal, ended, type JournalEntry, readJournal, refuseSuperseded } from './journal.ts';
import type { Promotion } from './promotion.ts';
import { serve, tryServed } from './serve.ts';

/**
 * Takes a started operation back: the Space serves what it served before, or nothing where nothing was there. `production`
 * has not moved yet. Waits until the old release answers again and writes down how long that took.
 */
export async function putBack(
  p: Promotion,
  started: JournalEntry,
  problem: string,
  trial: SpaceTrial | null,
): Promise<JournalEntry> {
  const { hub, release, space } = p;
  // Putting back must not stop half-way because the run was cancelled.
  const steady: Promotion = { ...p, signal: undefined };
  const begun = performance.now();
  p.onStep(`${started.tag} is taken back: ${problem}`);
  // `production` has not moved: it still names what was there.
  const tag = await tagAt(hub, release, PRODUCTION);
  const before = tag === null ? null : await findRelease(hub, release, tag);
  let spaceCommit: JournalEntry['spaceCommit'] = null;
  if (space !== null && before === null)
    spaceCommit = await emptySpace(hub, space, `Take ${started.tag} back: ${problem}`, async () =>
      refuseSuperseded(await readJournal(hub, release), p.id),
    );
  if (space !== null && before !== null) {
    spaceCommit = await serve(steady, { space, entry: before, action: 'rollback' });
    const restored = await tryServed(steady, { space, commit: spaceCommit, entry: before });
    if (restored.outcome === 'unhealthy')
      p.onStep(`${before.tag} is back in the Space, which is unwell: ${restored.problem}`);
  }
  const undone: JournalEntry = {
    ...started,
    state: 'undone',
    spaceCommit,
    trial,
    problem,
    restoredInSeconds: (performance.now() - begun) / 1000,
    at: p.now(),
  };
  await appendJournal(hub, release, undone);
  return undone;
}

/** The error by which everybody hears that an operation was taken back. */
export function takenBack(entry: JournalEntry): PipelineError {
  const seconds = entry.restoredInSeconds;
  const took = seconds === null ? '' : ` in ${seconds.toFixed(1)} s`;
  return new PipelineError(
    'Unhealthy',
    `${entry.tag} was taken back: ${entry.problem ?? 'no reason recorded'}. ${entry.from === null ? 'Nothing was served before, and nothing is now' : `${entry.from} was put back${took} and is in production`}`,
    { details: { tag: entry.tag, restored: entry.from, restoredInSeconds: seconds, trial: entry.trial } },
  );
}

/**
 * Ends an operation that nobody will go on with: forward where `production` has moved already, else back. Null where it
 * never started or has ended.
 */
export async function settle(p: Promotion, reason: string): Promise<JournalEntry | null> {
  const entries = await readJournal(p.hub, p.release);
  const started = entries.find((e) => e.id === p.id);
  if (started === undefined || ended(entries, p.id) !== undefined) return null;
  const newest = entries.filter((e) => e.state === 'started').at(-1);
  if (newest !== undefined && newest.id !== p.id) return null;
  if ((await tagAt(p.hub, p.release, PRODUCTION)) === started.tag) {
    const spaceCommit = p.space === null ? null : await p.hub.resolve({ type: 'space', repo: p.space });
    const done: JournalEntry = { ...started, state: 'done', spaceCommit, at: p.now() };
    await appendJournal(p.hub, p.release, done);
    return done;
  }
  return putBack(p, started, reason, null);
}
