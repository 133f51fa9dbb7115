import { z } from 'zod';
import { requireWrite } from '../http/access.ts';
import type { Exchange } from '../http/exchange.ts';
import { type Entry, editFolder, isFolder, readFolder } from '../store/directories.ts';
import { REF_KINDS, type RefKind } from '../store/refs.ts';
import type { CommitRecord, Repo } from '../store/repo.ts';
import { nextLink } from './entries.ts';

const PAGE = 1000;

/** GET lfs-files: every large file that was ever committed and not permanently deleted. */
export async function listLfsFiles(exchange: Exchange, repo: Repo): Promise<void> {
  const from = Math.max(0, Math.trunc(Number(exchange.url.searchParams.get('cursor') ?? 0)) || 0);
  const all = [...(await repo.lfs.read()).values()].filter((line) => !line.deleted);
  const page = all.slice(from, from + PAGE).map(({ oid, size, path, ref, pushedAt, pusher }) => ({
    fileOid: oid,
    oid,
    filename: path,
    size,
    ref,
    pushedAt,
    pusher: { name: pusher },
  }));
  const headers =
    all.length > from + PAGE ? { Link: nextLink(exchange, 'cursor', String(from + PAGE)) } : undefined;
  exchange.json(page, 200, headers);
}

const Request = z.object({
  deletions: z.object({ sha: z.array(z.string()).max(1000), rewriteHistory: z.boolean().nullish() }),
});

/**
 * POST lfs-files/batch: takes large files out of every commit that refs reach, or with `rewriteHistory` false leaves the
 * commits as they are; either way the files are not served any more, and their bytes go with the next gc.
 */
export async function deleteLfsFiles(exchange: Exchange, repo: Repo): Promise<void> {
  requireWrite(exchange);
  const { deletions } = await exchange.body(Request);
  const deleted = new Set(deletions.sha);
  await repo.exclusively(async () => {
    if (deletions.rewriteHistory !== false) await rewriteRefs(repo, deleted);
    const journal = await repo.lfs.read();
    await repo.lfs.append(
      [...deleted].flatMap((oid) => {
        const line = journal.get(oid);
        return line && !line.deleted ? [{ ...line, deleted: true as const }] : [];
      }),
    );
  });
  exchange.json({ success: true });
}

/** All new histories are written before the first ref moves; a crash between two refs leaves each whole, old or new. */
async function rewriteRefs(repo: Repo, deleted: ReadonlySet<string>): Promise<void> {
  const rewritten = new Map<string, string>();
  const moves: { kind: RefKind; name: string; fresh: string }[] = [];
  for (const kind of REF_KINDS) {
    for (const { name, target } of await repo.refs.list(kind)) {
      const fresh = await rewriteCommit(repo, target, deleted, rewritten);
      if (fresh !== target) moves.push({ kind, name, fresh });
    }
  }
  for (const { kind, name, fresh } of moves) await repo.refs.write(kind, name, fresh);
}

/** Rewrites a commit and those before it without some files; commits that never held them keep their ids. */
async function rewriteCommit(
  repo: Repo,
  head: string,
  deleted: ReadonlySet<string>,
  rewritten: Map<string, string>,
): Promise<string> {
  const chain: string[] = [];
  for (let oid: string | undefined = head; oid !== undefined && !rewritten.has(oid); ) {
    chain.push(oid);
    oid = (await repo.commit(oid)).parents[0];
  }
  for (const oid of chain.reverse()) {
    const commit: CommitRecord = await repo.commit(oid);
    const tree = commit.tree === null ? null : await withoutFiles(repo, commit.tree, deleted);
    const parents = commit.parents.map((parent) => rewritten.get(parent) ?? parent);
    rewritten.set(oid, await repo.objects.write('commit', { ...commit, tree, parents }));
  }
  return rewritten.get(head) ?? head;
}

async function withoutFiles(
  repo: Repo,
  folder: string,
  deleted: ReadonlySet<string>,
): Promise<string | null> {
  const edits = new Map<string, Entry | null>();
  for (const entry of await readFolder(repo.objects, folder)) {
    if (isFolder(entry)) {
      const tree = await withoutFiles(repo, entry.tree, deleted);
      if (tree !== entry.tree) edits.set(entry.name, tree === null ? null : { name: entry.name, tree });
    } else if (entry.lfs && deleted.has(entry.sha256)) {
      edits.set(entry.name, null);
    }
  }
  return editFolder(repo.objects, folder, edits);
}
