import type { CommitSha, RepoId, RepoRef } from '../domain/refs.ts';
import type { Provenance } from '../domain/release/provenance.ts';
import { HubConflict } from '../hub/errors.ts';
import type { Hub } from '../hub/hub.ts';
import { listReleases } from './catalog.ts';

/** Something that a release was made from and that must stay as long as the release does. */
export interface Reference extends RepoRef {
  commit: CommitSha;
  /** File or folder; null: the whole commit. */
  path: string | null;
  /** What it is to the release. */
  role: 'checkpoint' | 'dataset' | 'evaluation' | 'verdict' | 'adapter' | 'variant' | 'base' | 'source';
  /** Tags such as `v2` of the releases that refer to it. */
  tags: string[];
}

/** Everything that one release refers to, our own repositories first; `base` and `source` belong to others. */
export function referencesOf(p: Provenance): Reference[] {
  const { training, dataset, evaluation, context } = p;
  const tags = [p.tag];
  const at = (role: Reference['role'], ref: RepoRef & { commit: CommitSha; path?: string }): Reference => ({
    type: ref.type,
    repo: ref.repo,
    commit: ref.commit,
    path: ref.path ?? null,
    role,
    tags,
  });
  return [
    at('checkpoint', { ...training.checkpoint, path: training.path }),
    at('dataset', dataset),
    at('evaluation', evaluation.report),
    at('verdict', evaluation.verdict),
    at('adapter', evaluation.adapter),
    ...(p.variants ?? []).map((variant) => at('variant', { type: 'model', ...variant })),
    at('base', context.base),
    at('source', context.source),
  ];
}

/**
 * What the releases of a model refer to. Retention asks this before it deletes or squashes anything: a commit (and, in a
 * checkpoint repository, a folder) that is in this list must stay readable.
 */
export async function releaseReferences(hub: Hub, release: RepoId): Promise<Reference[]> {
  const merged = new Map<string, Reference>();
  for (const { provenance } of await listReleases(hub, release))
    for (const ref of referencesOf(provenance)) {
      const key = [ref.role, ref.type, ref.repo, ref.commit, ref.path].join(' ');
      const known = merged.get(key);
      merged.set(key, known === undefined ? ref : { ...known, tags: [...known.tags, ...ref.tags] });
    }
  return [...merged.values()];
}

/** Tag by which a release holds on to a commit of another repository of ours. */
export function pinName(model: string, tag: string, role: Reference['role']): string {
  return `release-${model}-${tag}-${role}`;
}

/**
 * Tags every commit of ours that a release refers to: a squashed history or a collected branch cannot take it along.
 * Other people's repositories (base, source) cannot be tagged; their commits are in the lineage.
 */
export async function pin(hub: Hub, provenance: Provenance): Promise<void> {
  const ours = referencesOf(provenance).filter((ref) => ref.role !== 'base' && ref.role !== 'source');
  for (const { type, repo, commit, role } of ours) {
    // A variant's repository belongs to the model: there the release's own tag says it.
    const name = role === 'variant' ? provenance.tag : pinName(provenance.model, provenance.tag, role);
    try {
      await hub.createTag(
        { type, repo },
        name,
        commit,
        `${provenance.model} ${provenance.tag} was made from this`,
      );
    } catch (error) {
      // The name is taken by another commit only where a model was deleted and its tags began again: the newer one counts.
      if (!(error instanceof HubConflict)) throw error;
      await hub.deleteTag({ type, repo }, name);
      await hub.createTag({ type, repo }, name, commit);
    }
  }
}
