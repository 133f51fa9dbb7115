import type { Exchange } from '../http/exchange.ts';
import type { Hub } from '../hub.ts';
import { isFolder } from '../store/directories.ts';
import type { CommitRecord, Repo, RepoType } from '../store/repo.ts';
import { walk } from '../store/tree.ts';
import { nextLink, pointerSize } from './entries.ts';
import { describeHost, describeRuntime } from './spaces.ts';

function tagsOf(repo: Repo, data: Record<string, unknown>): string[] {
  const list = (value: unknown): string[] =>
    (Array.isArray(value) ? value : [value]).filter((tag) => typeof tag === 'string');
  return [
    ...list(data.tags),
    ...list(data.library_name),
    ...list(data.pipeline_tag),
    ...list(data.license).map((license) => `license:${license}`),
    ...list(data.base_model).map((model) => `base_model:${model}`),
    ...list(data.datasets).map((dataset) => `dataset:${dataset}`),
    ...(repo.record.sdk ? [repo.record.sdk] : []),
    'region:local',
  ];
}

/** What every listing says of a repo; one that lost its main branch, or is damaged, says less and hides no other. */
async function summarize(hub: Hub, repo: Repo, oid: string | undefined): Promise<Record<string, unknown>> {
  const commit = oid === undefined ? undefined : await repo.objects.read<CommitRecord>('commit', oid);
  const card = commit && (await hub.cards.data(repo, commit).catch(() => undefined));
  const data = card?.data ?? {};
  return {
    _id: repo.record.uid,
    id: repo.id,
    ...(repo.type === 'model'
      ? { modelId: repo.id, pipeline_tag: data.pipeline_tag, library_name: data.library_name }
      : {}),
    author: repo.id.split('/')[0],
    sha: oid,
    lastModified: commit?.date ?? repo.record.createdAt,
    createdAt: repo.record.createdAt,
    private: repo.record.private,
    gated: repo.record.gated,
    disabled: false,
    downloads: 0,
    likes: 0,
    tags: tagsOf(repo, data),
    ...(card === undefined ? {} : { cardData: data }),
    ...(repo.type === 'space'
      ? { sdk: repo.record.sdk, runtime: describeRuntime(hub, repo), ...describeHost(hub, repo) }
      : {}),
  };
}

/** GET /api/{type}s/{id}[/revision/{revision}]. */
export async function repoInfo(hub: Hub, exchange: Exchange, repo: Repo, revision: string): Promise<void> {
  const oid = await repo.resolve(revision);
  const withBlobs = ['true', '1', 'True'].includes(exchange.url.searchParams.get('blobs') ?? '');
  const siblings: unknown[] = [];
  let usedStorage = 0;
  const { tree } = await repo.commit(oid);
  for await (const { path, entry } of walk(repo.objects, tree, { prefix: '', recursive: true })) {
    if (isFolder(entry)) continue;
    usedStorage += entry.size;
    const lfs = entry.lfs
      ? { lfs: { sha256: entry.sha256, size: entry.size, pointerSize: pointerSize(entry.size) } }
      : {};
    siblings.push({ rfilename: path, ...(withBlobs ? { size: entry.size, blobId: entry.oid, ...lfs } : {}) });
  }
  exchange.json({ ...(await summarize(hub, repo, oid)), siblings, usedStorage, spaces: [] });
}

/** GET /api/{type}s: repos the asker may see, by author, search and tag, in pages. */
export async function listRepos(hub: Hub, exchange: Exchange, type: RepoType): Promise<void> {
  const { searchParams } = exchange.url;
  const author = searchParams.get('author');
  const search = searchParams.get('search')?.toLowerCase();
  const filters = searchParams.getAll('filter').flatMap((filter) => filter.split(','));
  const asked = Number(searchParams.get('limit') ?? 500);
  const limit = Number.isInteger(asked) && asked > 0 ? Math.min(asked, 500) : 500;
  const from = Math.max(0, Math.trunc(Number(searchParams.get('cursor') ?? 0)) || 0);
  const visible = (await hub.repos.list(type)).filter(
    (repo) =>
      (!repo.record.private || exchange.identity) &&
      (author === null || repo.id.startsWith(`${author}/`)) &&
      (search === undefined || repo.id.toLowerCase().includes(search)),
  );
  const all: Record<string, unknown>[] = [];
  for (const repo of visible) {
    const summary = await summarize(hub, repo, await repo.refs.read('heads', 'main'));
    const tags = summary.tags as string[];
    if (filters.every((filter) => tags.includes(filter))) all.push(summary);
  }
  all.sort((a, b) => String(b.lastModified).localeCompare(String(a.lastModified)));
  if (searchParams.get('sort') === 'createdAt')
    all.sort((a, b) => String(b.createdAt).localeCompare(String(a.createdAt)));
  const headers =
    all.length > from + limit ? { Link: nextLink(exchange, 'cursor', String(from + limit)) } : undefined;
  exchange.json(all.slice(from, from + limit), 200, headers);
}
