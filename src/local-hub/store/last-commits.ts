import { isFolder } from './directories.ts';
import type { Repo } from './repo.ts';
import { locate } from './tree.ts';

/** The commit that last changed a path, as listings show it. */
export interface LastCommit {
  readonly id: string;
  readonly title: string;
  readonly date: string;
}

/** Walks history from a commit back until the last change of every path is found. */
export async function lastCommits(
  repo: Repo,
  from: string,
  paths: readonly string[],
): Promise<Map<string, LastCommit>> {
  const found = new Map<string, LastCommit>();
  let open = new Map<string, string | undefined>();
  const fingerprint = async (tree: string | null, path: string): Promise<string | undefined> => {
    const entry = await locate(repo.objects, tree, path.split('/'));
    return entry && (isFolder(entry) ? entry.tree : entry.sha256);
  };
  let oid: string | undefined = from;
  let commit = await repo.commit(from);
  for (const path of paths) open.set(path, await fingerprint(commit.tree, path));
  while (oid !== undefined && open.size > 0) {
    const parentOid: string | undefined = commit.parents[0];
    const parent = parentOid === undefined ? undefined : await repo.commit(parentOid);
    const still = new Map<string, string | undefined>();
    for (const [path, print] of open) {
      const before = parent && (parent.tree === commit.tree ? print : await fingerprint(parent.tree, path));
      if (before === print && parent) still.set(path, print);
      else found.set(path, { id: oid, title: commit.title, date: commit.date });
    }
    open = still;
    oid = parentOid;
    if (parent) commit = parent;
  }
  return found;
}
