import { type Entry, isFolder, readFolder } from './directories.ts';
import type { ObjectStore } from './objects.ts';

/** How one file differs between two commits. */
export interface FileDifference {
  readonly path: string;
  readonly kind: 'added' | 'changed' | 'removed';
  readonly size: number;
}

/** Yields the files that differ between two root folders; equal folders are not entered. */
export async function* diffTrees(
  objects: ObjectStore,
  before: string | null,
  after: string | null,
  prefix = '',
): AsyncGenerator<FileDifference> {
  if (before === after) return;
  const left = new Map<string, Entry>();
  for (const entry of before === null ? [] : await readFolder(objects, before)) left.set(entry.name, entry);
  for (const entry of after === null ? [] : await readFolder(objects, after)) {
    const old = left.get(entry.name);
    left.delete(entry.name);
    const path = `${prefix}${entry.name}`;
    const oldTree = old && isFolder(old) ? old.tree : null;
    if (isFolder(entry)) {
      if (old && !isFolder(old)) yield { path, kind: 'removed', size: old.size };
      yield* diffTrees(objects, oldTree, entry.tree, `${path}/`);
    } else {
      if (oldTree !== null) yield* diffTrees(objects, oldTree, null, `${path}/`);
      if (!old || isFolder(old)) yield { path, kind: 'added', size: entry.size };
      else if (old.sha256 !== entry.sha256) yield { path, kind: 'changed', size: entry.size };
    }
  }
  for (const old of left.values()) {
    const path = `${prefix}${old.name}`;
    if (isFolder(old)) yield* diffTrees(objects, old.tree, null, `${path}/`);
    else yield { path, kind: 'removed', size: old.size };
  }
}
