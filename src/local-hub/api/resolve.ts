import { pipeline } from 'node:stream/promises';
import { requireContent } from '../http/access.ts';
import { contentType } from '../http/content-type.ts';
import { entryNotFound, HubError } from '../http/errors.ts';
import type { Exchange } from '../http/exchange.ts';
import { parseRange } from '../http/range.ts';
import type { Hub } from '../hub.ts';
import { isFolder } from '../store/directories.ts';
import { isDeleted, type Repo } from '../store/repo.ts';
import { splitRepoPath } from '../store/repo-path.ts';
import { locate } from '../store/tree.ts';

/** GET or HEAD resolve/{revision}/{path}: a file's bytes, whole or in part. */
export async function resolveFile(
  hub: Hub,
  exchange: Exchange,
  repo: Repo,
  revision: string,
  path: string,
): Promise<void> {
  requireContent(repo, exchange);
  const commit = await repo.resolve(revision);
  const names = splitRepoPath(path);
  const entry = await locate(repo.objects, (await repo.commit(commit)).tree, names);
  const stored = entry && !isFolder(entry) ? await hub.blobs.size(entry.sha256) : undefined;
  const served = stored !== undefined && !(await isDeleted(repo, entry));
  if (!entry || isFolder(entry) || !served) {
    exchange.response.setHeader('X-Repo-Commit', commit);
    throw entryNotFound(path, revision);
  }
  const { size } = entry;
  if (stored !== size)
    throw new HubError(500, `Expected ${size} bytes in the store for ${path}, found ${stored}: run fsck`);
  const etag = `"${entry.lfs ? entry.sha256 : entry.oid}"`;
  const headers: Record<string, string> = {
    'X-Request-Id': exchange.requestId,
    'X-Repo-Commit': commit,
    ETag: etag,
    'Accept-Ranges': 'bytes',
    'Content-Type': contentType(entry.name),
    'Content-Disposition': `inline; filename*=UTF-8''${encodeURIComponent(entry.name)}`,
    // What people upload is shown as it is, so it must not run as a page of this server.
    'Content-Security-Policy': "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox",
    'X-Content-Type-Options': 'nosniff',
    'Cache-Control': /^[0-9a-f]{40}$/.test(revision) ? 'private, max-age=86400' : 'no-cache',
    ...(entry.lfs ? { 'X-Linked-Size': String(size), 'X-Linked-Etag': etag } : {}),
  };
  if (etagMatches(exchange.request.headers['if-none-match'], etag)) {
    exchange.response.writeHead(304, headers).end();
    return;
  }
  const ifRange = exchange.request.headers['if-range'];
  const range =
    ifRange === undefined || ifRange === etag ? parseRange(exchange.request.headers.range, size) : 'whole';
  if (range === 'unsatisfiable') {
    exchange.response.setHeader('Content-Range', `bytes */${size}`);
    throw new HubError(416, `Expected a range inside ${size} bytes`);
  }
  if (range === 'whole') {
    const empty =
      size === 0 && exchange.request.headers.range !== undefined ? { 'Content-Range': 'bytes */0' } : {};
    exchange.response.writeHead(200, { ...headers, ...empty, 'Content-Length': String(size) });
  } else {
    const { start, end } = range;
    const more = {
      'Content-Range': `bytes ${start}-${end}/${size}`,
      'Content-Length': String(end - start + 1),
    };
    exchange.response.writeHead(206, { ...headers, ...more });
  }
  if (exchange.method === 'HEAD' || size === 0) exchange.response.end();
  else await pipeline(hub.blobs.read(entry.sha256, range === 'whole' ? undefined : range), exchange.response);
}

function etagMatches(header: string | undefined, etag: string): boolean {
  if (header === undefined) return false;
  return header
    .split(',')
    .some((candidate) => candidate.trim() === '*' || candidate.trim().replace(/^W\//, '') === etag);
}
