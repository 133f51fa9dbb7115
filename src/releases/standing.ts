import { PipelineError } from '../domain/errors.ts';
import type { RepoId } from '../domain/refs.ts';
import type { ReleaseEntry } from '../domain/release/provenance.ts';
import { releaseRepos } from '../domain/run/repositories.ts';
import type { Hub } from '../hub/hub.ts';
import { servedRelease } from '../space/space-repo.ts';
import { listReleases, PREVIOUS, PRODUCTION, tagAt } from './catalog.ts';
import { ended, type JournalEntry, readJournal } from './journal.ts';

/** Where a release stands: what serves it, and how it came to that. */
export interface Standing {
  entry: ReleaseEntry;
  state: 'production' | 'previous' | 'released before' | 'taken back' | 'never served';
  /** Its journal lines, oldest first. */
  journal: JournalEntry[];
}

/** A model's releases, newest first, with what is served now. */
export interface ModelStanding {
  releases: Standing[];
  production: string | null;
  previous: string | null;
  /** What the Space's files pin; null: there is no Space. */
  served: { tag: string; revision: string; adapterSha256: string } | null;
  /** `production` and the Space name the same bytes. */
  agrees: boolean;
}

/**
 * A model's releases by its name.
 *
 * @throws PipelineError where nothing was released yet.
 */
export async function readModel(
  hub: Hub,
  { model, namespace }: { model: string; namespace: string },
): Promise<ModelStanding> {
  const names = releaseRepos(namespace, model);
  if ((await hub.resolve({ type: 'model', repo: names.release })) === null)
    throw new PipelineError(
      'InvalidInput',
      `expected releases in ${names.release} on ${hub.endpoint}, got no such repository: nothing was released yet, or give --model and --namespace`,
    );
  const space = (await hub.resolve({ type: 'space', repo: names.space })) === null ? null : names.space;
  return modelStanding(hub, { release: names.release, space });
}

/** Reads it all from the Hub. */
export async function modelStanding(
  hub: Hub,
  repos: { release: RepoId; space: RepoId | null },
): Promise<ModelStanding> {
  const { release, space } = repos;
  const [entries, journal, production, previous] = await Promise.all([
    listReleases(hub, release),
    readJournal(hub, release),
    tagAt(hub, release, PRODUCTION),
    tagAt(hub, release, PREVIOUS),
  ]);
  const served = space === null ? null : await servedRelease(hub, space);
  const inProduction = entries.find((e) => e.tag === production);
  return {
    releases: entries.map((entry) => {
      const own = journal.filter((line) => line.tag === entry.tag);
      return { entry, journal: own, state: stateOf(entry.tag, { production, previous, journal: own }) };
    }),
    production,
    previous,
    served,
    agrees: served === null || served.adapterSha256 === inProduction?.provenance.adapter.sha256,
  };
}

function stateOf(
  tag: string,
  p: { production: string | null; previous: string | null; journal: JournalEntry[] },
): Standing['state'] {
  if (tag === p.production) return 'production';
  if (tag === p.previous) return 'previous';
  const ends = p.journal.flatMap((line) => ended(p.journal, line.id) ?? []);
  if (ends.some((line) => line.state === 'done')) return 'released before';
  return ends.some((line) => line.state === 'undone') ? 'taken back' : 'never served';
}
