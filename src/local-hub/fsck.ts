import { createHash } from 'node:crypto';
import { resolve } from 'node:path';
import { BlobStore } from './store/blobs.ts';
import { walkReachable } from './store/reachable.ts';
import { RepoType } from './store/repo.ts';
import { RepoCollection } from './store/repos.ts';

/** What was verified, and a sentence for everything that is wrong. */
export interface FsckReport {
  readonly repos: number;
  readonly records: number;
  readonly blobs: number;
  readonly bytes: number;
  readonly problems: string[];
}

/** Reads everything that refs reach and compares it with its hash. Works beside a running server. */
export async function fsck(root: string): Promise<FsckReport> {
  const folder = resolve(root);
  const blobs = new BlobStore(folder);
  const collection = new RepoCollection(folder);
  const verified = new Map<string, string | undefined>();
  const problems: string[] = [];
  let repos = 0;
  let records = 0;
  let bytes = 0;
  for (const type of RepoType.options) {
    for (const repo of await collection.list(type)) {
      repos += 1;
      const reachable = await walkReachable(repo);
      records += reachable.records.size;
      problems.push(...reachable.problems);
      for (const [sha256, file] of reachable.files) {
        if (!verified.has(sha256)) {
          verified.set(sha256, await verify(blobs, sha256, file.size));
          bytes += file.size;
        }
        const trouble = verified.get(sha256);
        if (trouble) problems.push(`${repo.type} ${repo.id}: ${file.name}: ${trouble}`);
      }
    }
  }
  return { repos, records, blobs: verified.size, bytes, problems };
}

async function verify(blobs: BlobStore, sha256: string, size: number): Promise<string | undefined> {
  const stored = await blobs.size(sha256);
  if (stored === undefined) return `blob ${sha256} is missing`;
  if (stored !== size) return `blob ${sha256}: expected ${size} bytes, got ${stored}`;
  const hash = createHash('sha256');
  for await (const chunk of blobs.read(sha256)) hash.update(chunk as Buffer);
  const got = hash.digest('hex');
  return got === sha256 ? undefined : `blob ${sha256}: its bytes hash to ${got}`;
}
