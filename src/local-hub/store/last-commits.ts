import { type Entry, isFolder, readFolder } from './directories.ts';
import type { ObjectStore } from './objects.ts';
import type { Repo } from './repo.ts';

/** The commit that last changed a path, as listings show it. */
export interface LastCommit {
  readonly id: string;
  readonly title: string;
  readonly date: string;
}

/** Paths whose last change is still looked for, by folder. */
interface Open {
  /** The path itself; undefined: it is looked for no longer, or never was. */
  path?: string | undefined;
  readonly inside: Map<string, Open>;
}

/**
 * Walks history from a commit back until the last change of every path is found. Folders that a commit left alone are not
 * entered, and one that it changed is read once for all of its paths.
 */
export async function lastCommits(
  repo: Repo,
  from: string,
  paths: readonly string[],
): Promise<Map<string, LastCommit>> {
  const found = new Map<string, LastCommit>();
  const open = openPaths(paths);
  let oid: string | undefined = from;
  while (oid !== undefined && open.inside.size > 0) {
    const id: string = oid;
    const { tree, title, date, parents } = await repo.commit(id);
    oid = parents[0];
    const before = oid === undefined ? null : (await repo.commit(oid)).tree;
    await settle(repo.objects, { now: tree, before }, open, (path) => found.set(path, { id, title, date }));
  }
  return found;
}

function openPaths(paths: readonly string[]): Open {
  const root: Open = { inside: new Map() };
  for (const path of paths) {
    let at = root;
    for (const name of path.split('/')) {
      const next: Open = at.inside.get(name) ?? { inside: new Map() };
      at.inside.set(name, next);
      at = next;
    }
    at.path = path;
  }
  return root;
}

/** Tells every open path that differs between two folders, and closes it. */
async function settle(
  objects: ObjectStore,
  folder: { now: string | null; before: string | null },
  open: Open,
  tell: (path: string) => void,
): Promise<void> {
  if (folder.now === folder.before) return;
  const [now, before] = [await byName(objects, folder.now), await byName(objects, folder.before)];
  for (const [name, one] of open.inside) {
    const [is, was] = [now.get(name), before.get(name)];
    if (printOf(is) === printOf(was)) continue;
    if (one.path !== undefined) tell(one.path);
    one.path = undefined;
    if (one.inside.size > 0) await settle(objects, { now: treeOf(is), before: treeOf(was) }, one, tell);
    if (one.inside.size === 0) open.inside.delete(name);
  }
}

async function byName(objects: ObjectStore, folder: string | null): Promise<Map<string, Entry>> {
  const entries = folder === null ? [] : await readFolder(objects, folder);
  return new Map(entries.map((entry) => [entry.name, entry]));
}

const treeOf = (entry: Entry | undefined): string | null =>
  entry !== undefined && isFolder(entry) ? entry.tree : null;

const printOf = (entry: Entry | undefined): string | undefined =>
  entry && (isFolder(entry) ? entry.tree : entry.sha256);
