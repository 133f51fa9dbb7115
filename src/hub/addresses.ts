import type { RepoRef } from '../domain/refs.ts';

/** Encodes each segment of a path and keeps its slashes. */
export function encodePath(path: string): string {
  return path.split('/').map(encodeURIComponent).join('/');
}

/** `/api/models/ns/name`, the root of a repository's API. */
export function apiUrl(endpoint: string, { type, repo }: RepoRef): string {
  return `${endpoint}/api/${type}s/${repo}`;
}

/** Address of a file's bytes at a revision. */
export function resolveUrl(
  endpoint: string,
  { type, repo }: RepoRef,
  revision: string,
  path: string,
): string {
  const prefix = type === 'model' ? '' : `${type}s/`;
  return `${endpoint}/${prefix}${repo}/resolve/${encodeURIComponent(revision)}/${encodePath(path)}`;
}

/** The official client's words for a repository. */
export function designation({ type, repo }: RepoRef): { type: RepoRef['type']; name: string } {
  return { type, name: repo };
}

/** `dataset plein-air/impressionism` for messages. */
export function describeRepo({ type, repo }: RepoRef): string {
  return `${type} ${repo}`;
}
