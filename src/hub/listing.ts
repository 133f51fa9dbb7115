import { listFiles, pathsInfo } from '@huggingface/hub';
import { PipelineError } from '../domain/errors.ts';
import { type RepoRef, Sha256 } from '../domain/refs.ts';
import { describeRepo, designation, encodePath } from './addresses.ts';
import type { Connection } from './connection.ts';
import type { HubEntry } from './hub.ts';
import { HubFailure } from './hub-failure.ts';

/** A listed file with git's id, which verifies files outside LFS. */
export interface ListedFile extends HubEntry {
  /** git's id of the file, or of its pointer when it is in LFS. */
  gitId: string | null;
}

/** A listing that does not end is no listing: more files than the Hub advises to keep in one repository, ten times over. */
const MAX_FILES = 1_000_000;

interface Listed {
  path: string;
  size: number;
  oid?: string | undefined;
  lfs?: { oid: string; size: number } | undefined;
}

function toFile(entry: Listed): ListedFile {
  return {
    path: entry.path,
    bytes: entry.lfs?.size ?? entry.size,
    sha256: entry.lfs === undefined ? null : Sha256.parse(entry.lfs.oid),
    gitId: entry.oid ?? null,
  };
}

/** All files below a folder; none when the folder is missing. A missing repository or revision is an error. */
export async function listFolder(
  { endpoint, accessToken, transport }: Connection,
  p: { repo: RepoRef; revision: string; folder?: string | undefined },
): Promise<ListedFile[]> {
  const files: ListedFile[] = [];
  const folder = p.folder?.replace(/\/+$/, '');
  try {
    const entries = listFiles({
      repo: designation(p.repo),
      recursive: true,
      revision: encodeURIComponent(p.revision),
      hubUrl: endpoint,
      accessToken,
      fetch: transport.fetch,
      ...(folder ? { path: encodePath(folder) } : {}),
    });
    for await (const entry of entries) {
      if (entry.type === 'file') files.push(toFile(entry));
      if (files.length > MAX_FILES)
        throw new PipelineError(
          'Corrupt',
          `expected at most ${MAX_FILES} files in ${describeRepo(p.repo)}, got more`,
        );
    }
  } catch (error) {
    const noFolder = error instanceof HubFailure && error.status === 404 && error.code === 'EntryNotFound';
    if (noFolder) return [];
    throw error;
  }
  return files;
}

/** What is at some paths of a revision, by path; missing ones are left out, folders are `'folder'`. */
export async function lookUp(
  { endpoint, accessToken, transport }: Connection,
  p: { repo: RepoRef; revision: string; paths: string[] },
): Promise<Map<string, ListedFile | 'folder'>> {
  const found = new Map<string, ListedFile | 'folder'>();
  for (let start = 0; start < p.paths.length; start += 100) {
    const infos = await pathsInfo({
      repo: designation(p.repo),
      paths: p.paths.slice(start, start + 100),
      revision: p.revision,
      hubUrl: endpoint,
      accessToken,
      fetch: transport.fetch,
    });
    for (const info of infos) found.set(info.path, info.type === 'directory' ? 'folder' : toFile(info));
  }
  return found;
}
