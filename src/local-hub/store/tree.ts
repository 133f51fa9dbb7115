import { badRequest, entryNotFound } from '../http/errors.ts';
import { type Entry, editFolder, type FileEntry, findEntry, isFolder, readFolder } from './directories.ts';
import type { ObjectStore } from './objects.ts';

/** One change of a commit, its path already checked and split. */
export type TreeChange =
  | { readonly kind: 'put'; readonly path: readonly string[]; readonly file: Omit<FileEntry, 'name'> }
  | { readonly kind: 'deleteFile' | 'deleteFolder'; readonly path: readonly string[] };

/** An entry with its whole path in the repo. */
export interface LocatedEntry {
  readonly path: string;
  readonly entry: Entry;
}

/** Follows a path from a root folder; undefined where nothing is. The empty path is no entry. */
export async function locate(
  objects: ObjectStore,
  root: string | null,
  path: readonly string[],
): Promise<Entry | undefined> {
  let folder = root;
  for (const [index, name] of path.entries()) {
    if (folder === null) return undefined;
    const entry: Entry | undefined = await findEntry(objects, folder, name);
    if (!entry || index === path.length - 1) return entry;
    if (!isFolder(entry)) return undefined;
    folder = entry.tree;
  }
  return undefined;
}

/** Walks a folder depth first in name order, lazily; `recursive` false stays at its first level. */
export async function* walk(
  objects: ObjectStore,
  folder: string | null,
  options: { prefix: string; recursive: boolean; after?: string | undefined },
): AsyncGenerator<LocatedEntry> {
  if (folder === null) return;
  for (const entry of await readFolder(objects, folder)) {
    const path = options.prefix === '' ? entry.name : `${options.prefix}/${entry.name}`;
    const { after } = options;
    const before = after !== undefined && !startsAfter(path, after);
    if (!before) yield { path, entry };
    if (
      options.recursive &&
      isFolder(entry) &&
      (!before || after === path || after?.startsWith(`${path}/`))
    ) {
      yield* walk(objects, entry.tree, { ...options, prefix: path, after: before ? after : undefined });
    }
  }
}

/** Order of a depth-first walk: names compared one by one, a folder before what it holds. */
function startsAfter(path: string, cursor: string): boolean {
  const a = path.split('/');
  const b = cursor.split('/');
  for (let index = 0; index < Math.min(a.length, b.length); index += 1) {
    const left = a[index] ?? '';
    const right = b[index] ?? '';
    if (left !== right) return left > right;
  }
  return a.length > b.length;
}

interface Pending {
  readonly files: Map<string, Omit<FileEntry, 'name'> | null>;
  readonly folders: Map<string, Pending>;
  cleared: boolean;
}

const emptyPending = (): Pending => ({ files: new Map(), folders: new Map(), cleared: false });

/** Applies changes in their order and returns the new root folder's id; null when no file is left. */
export async function applyChanges(
  objects: ObjectStore,
  root: string | null,
  changes: readonly TreeChange[],
): Promise<string | null> {
  const pending = emptyPending();
  for (const change of changes) {
    await requirePresent(objects, root, pending, change);
    stage(pending, change);
  }
  return applyPending(objects, root, pending, '');
}

/** A deletion must name something that the commit's parent, or an earlier line of the commit, holds. */
async function requirePresent(
  objects: ObjectStore,
  root: string | null,
  pending: Pending,
  change: TreeChange,
): Promise<void> {
  if (change.kind === 'put' || change.path.length === 0) return;
  if (isStaged(pending, change.path)) return;
  const entry = await locate(objects, root, change.path);
  if (!entry || isFolder(entry) !== (change.kind === 'deleteFolder')) {
    throw entryNotFound(change.path.join('/'), 'the branch to commit to');
  }
}

function isStaged(pending: Pending, path: readonly string[]): boolean {
  let at: Pending | undefined = pending;
  for (const name of path.slice(0, -1)) at = at?.folders.get(name);
  const last = path.at(-1) ?? '';
  return at !== undefined && (at.files.get(last) != null || at.folders.has(last));
}

function stage(pending: Pending, change: TreeChange): void {
  const last = change.path.at(-1);
  let at = pending;
  for (const name of change.path.slice(0, -1)) {
    const below = at.folders.get(name) ?? emptyPending();
    at.folders.set(name, below);
    at = below;
  }
  if (last === undefined) {
    pending.files.clear();
    pending.folders.clear();
    pending.cleared = true;
  } else if (change.kind === 'put') {
    at.files.set(last, change.file);
  } else if (change.kind === 'deleteFile') {
    at.files.set(last, null);
  } else {
    at.folders.set(last, { ...emptyPending(), cleared: true });
  }
}

async function applyPending(
  objects: ObjectStore,
  folder: string | null,
  pending: Pending,
  at: string,
): Promise<string | null> {
  const base = pending.cleared ? null : folder;
  const edits = new Map<string, Entry | null>();
  for (const [name, below] of pending.folders) {
    const path = at === '' ? name : `${at}/${name}`;
    const existing = base === null ? undefined : await findEntry(objects, base, name);
    const removed = pending.files.get(name) === null;
    if (existing && !isFolder(existing) && !removed) {
      throw badRequest(`Expected a folder at "${path}", found a file: delete it in the same commit`);
    }
    const tree = await applyPending(
      objects,
      existing && isFolder(existing) ? existing.tree : null,
      below,
      path,
    );
    edits.set(name, tree === null ? null : { name, tree });
  }
  for (const [name, file] of pending.files) {
    const staged = edits.get(name);
    if (file === null) {
      if (staged === undefined) edits.set(name, null);
      continue;
    }
    const existing = base === null ? undefined : await findEntry(objects, base, name);
    if (staged || (staged === undefined && existing && isFolder(existing))) {
      const path = at === '' ? name : `${at}/${name}`;
      throw badRequest(`Expected a file at "${path}", found a folder: delete it in the same commit`);
    }
    edits.set(name, { name, ...file });
  }
  return editFolder(objects, base, edits);
}
