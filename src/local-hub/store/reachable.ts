import { type FileEntry, folderRecords, isFolder, readFolder } from './directories.ts';
import { REF_KINDS } from './refs.ts';
import { type CommitRecord, isDeleted, type Repo } from './repo.ts';

/** What a walk of a repo's refs meets. */
export interface Reachable {
  /** Ids of commits, folders and runs. */
  readonly records: Set<string>;
  /** Files by sha256. */
  readonly files: Map<string, FileEntry>;
  /** What a ref names and is not there, or does not verify. */
  readonly problems: string[];
}

/** Walks everything that the branches and tags of a repo reach; what is damaged is reported, not thrown. */
export async function walkReachable(repo: Repo): Promise<Reachable> {
  const found: Reachable = { records: new Set(), files: new Map(), problems: [] };
  for (const kind of REF_KINDS) {
    for (const { name, target } of await repo.refs.list(kind))
      await walkHistory(repo, target, `refs/${kind}/${name}`, found);
  }
  return found;
}

async function walkHistory(repo: Repo, head: string, ref: string, found: Reachable): Promise<void> {
  for (let oid: string | undefined = head; oid !== undefined && !found.records.has(oid); ) {
    const commit: CommitRecord | undefined = await repo.objects
      .read<CommitRecord>('commit', oid)
      .catch(() => undefined);
    if (!commit) {
      found.problems.push(`${repo.type} ${repo.id}: commit ${oid} of ${ref} is missing or damaged`);
      return;
    }
    found.records.add(oid);
    if (commit.tree !== null) await walkFolder(repo, commit.tree, `commit ${oid}`, found);
    oid = commit.parents[0];
  }
}

async function walkFolder(repo: Repo, folder: string, where: string, found: Reachable): Promise<void> {
  if (found.records.has(folder)) return;
  try {
    for (const oid of await folderRecords(repo.objects, folder)) found.records.add(oid);
    for (const entry of await readFolder(repo.objects, folder)) {
      if (isFolder(entry)) await walkFolder(repo, entry.tree, `${where}, ${entry.name}`, found);
      else if (!(await isDeleted(repo, entry))) found.files.set(entry.sha256, entry);
    }
  } catch (error) {
    found.problems.push(
      `${repo.type} ${repo.id}: folder ${folder} in ${where}: ${error instanceof Error ? error.message : error}`,
    );
  }
}
