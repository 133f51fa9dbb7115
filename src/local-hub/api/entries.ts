import { z } from 'zod';
import { badRequest, entryNotFound } from '../http/errors.ts';
import type { Exchange } from '../http/exchange.ts';
import { isFolder } from '../store/directories.ts';
import { lastCommits } from '../store/last-commits.ts';
import type { Repo } from '../store/repo.ts';
import { splitFolderPath } from '../store/repo-path.ts';
import { type LocatedEntry, locate, walk } from '../store/tree.ts';

const PAGE = 1000;

/** git's size of the pointer that stands for a large file. */
export function pointerSize(size: number): number {
  return 'version https://git-lfs.github.com/spec/v1\noid sha256:\nsize \n'.length + 64 + String(size).length;
}

/** An entry as the tree and paths-info endpoints show it. */
export function describeEntry({ path, entry }: LocatedEntry): Record<string, unknown> {
  if (isFolder(entry)) return { type: 'directory', oid: entry.tree, size: 0, path };
  const lfs = entry.lfs
    ? { lfs: { oid: entry.sha256, size: entry.size, pointerSize: pointerSize(entry.size) } }
    : {};
  return { type: 'file', oid: entry.oid, size: entry.size, path, ...lfs };
}

async function describeAll(
  repo: Repo,
  commit: string,
  entries: LocatedEntry[],
  expand: boolean,
): Promise<unknown[]> {
  if (!expand) return entries.map(describeEntry);
  const last = await lastCommits(
    repo,
    commit,
    entries.map(({ path }) => path),
  );
  return entries.map((located) => ({
    ...describeEntry(located),
    lastCommit: last.get(located.path) ?? null,
    ...(isFolder(located.entry) ? {} : { securityFileStatus: null }),
  }));
}

/** GET tree/{revision}/{path}: a page of entries, and a `Link` to the next. */
export async function listTree(
  exchange: Exchange,
  repo: Repo,
  revision: string,
  folder: string,
): Promise<void> {
  const commit = await repo.resolve(revision);
  const { tree } = await repo.commit(commit);
  const names = splitFolderPath(folder);
  const { searchParams } = exchange.url;
  const flag = (name: string): boolean => ['true', '1', 'True'].includes(searchParams.get(name) ?? '');
  const expand = flag('expand');
  let root = tree;
  if (names.length > 0) {
    const entry = await locate(repo.objects, tree, names);
    if (!entry || !isFolder(entry)) throw entryNotFound(folder, revision);
    root = entry.tree;
  }
  const limit = clampLimit(searchParams.get('limit'), PAGE);
  const after = decodeCursor(searchParams.get('cursor'));
  const page: LocatedEntry[] = [];
  let more = false;
  for await (const located of walk(repo.objects, root, {
    prefix: names.join('/'),
    recursive: flag('recursive'),
    after,
  })) {
    if (page.length === limit) {
      more = true;
      break;
    }
    page.push(located);
  }
  const headers = more
    ? { Link: nextLink(exchange, 'cursor', encodeCursor(page.at(-1)?.path ?? '')) }
    : undefined;
  exchange.json(await describeAll(repo, commit, page, expand), 200, headers);
}

function clampLimit(text: string | null, most: number): number {
  const limit = Number(text ?? most);
  return Number.isInteger(limit) && limit >= 1 ? Math.min(limit, most) : most;
}

const encodeCursor = (path: string): string => Buffer.from(path).toString('base64url');

function decodeCursor(text: string | null): string | undefined {
  if (text === null) return undefined;
  const path = Buffer.from(text, 'base64url').toString();
  if (path === '') throw badRequest('Expected a cursor that this Hub gave, got another');
  return path;
}

/** A `Link` header to the same address with one parameter changed. */
export function nextLink(exchange: Exchange, name: string, value: string): string {
  const query = new URLSearchParams(exchange.url.searchParams);
  query.set(name, value);
  return `<${exchange.base}${exchange.url.pathname}?${query}>; rel="next"`;
}

const flagLike = z.union([z.boolean(), z.string().transform((text) => /^(true|1)$/i.test(text))]);
const PathsInfoRequest = z.object({
  paths: z.union([z.array(z.string()), z.string().transform((path) => [path])]).default([]),
  expand: flagLike.default(false),
});

/** POST paths-info/{revision}: what each of some paths is; paths that are nothing are left out. */
export async function pathsInfo(exchange: Exchange, repo: Repo, revision: string): Promise<void> {
  const { paths, expand } = await exchange.body(PathsInfoRequest, { form: true });
  const commit = await repo.resolve(revision);
  const { tree } = await repo.commit(commit);
  const found: LocatedEntry[] = [];
  for (const path of paths) {
    const names = splitFolderPath(path);
    const entry = await locate(repo.objects, tree, names);
    if (entry) found.push({ path: names.join('/'), entry });
  }
  exchange.json(await describeAll(repo, commit, found, expand));
}
