import { lstat, readdir, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { hashedFiles, requireHubFolder } from './store/blob-files.ts';
import { lockFolder } from './store/process-lock.ts';
import { walkReachable } from './store/reachable.ts';
import { type Repo, RepoType } from './store/repo.ts';
import { RepoCollection } from './store/repos.ts';

/** What was kept and what was removed. */
export interface GcReport {
  readonly keptBlobs: number;
  readonly removedBlobs: number;
  readonly removedBytes: number;
  readonly removedRecords: number;
  readonly temporaryFiles: number;
}

/** Removes blobs and records that no ref reaches. Takes the folder's lock; a damaged repo stops it before it removes anything. */
export async function gc(root: string): Promise<GcReport> {
  const folder = resolve(root);
  await requireHubFolder(folder);
  const unlock = await lockFolder(folder);
  try {
    return await sweep(folder);
  } finally {
    await unlock();
  }
}

async function sweep(root: string): Promise<GcReport> {
  const collection = new RepoCollection(root);
  const wanted = new Set<string>();
  const orphans: string[] = [];
  const journals: Repo[] = [];
  for (const type of RepoType.options) {
    for (const repo of await collection.list(type)) {
      journals.push(repo);
      const { records, files, problems } = await walkReachable(repo);
      if (problems.length > 0)
        throw new Error(`Expected sound repos before removing anything: ${problems[0]}. Run fsck.`);
      for (const sha256 of files.keys()) wanted.add(sha256);
      for await (const { oid, path } of hashedFiles(join(repo.folder, 'objects')))
        if (!records.has(oid)) orphans.push(path);
    }
  }
  for (const path of orphans) await rm(path, { force: true });
  let keptBlobs = 0;
  let removedBlobs = 0;
  let removedBytes = 0;
  for await (const { oid, path } of hashedFiles(join(root, 'blobs', 'sha256'))) {
    if (wanted.has(oid)) {
      keptBlobs += 1;
      continue;
    }
    removedBytes += (await lstat(path)).size;
    removedBlobs += 1;
    await rm(path, { force: true });
  }
  // The listing of large files names what can be had.
  for (const repo of journals) await repo.lfs.forget((oid) => !wanted.has(oid));
  const temporary = await readdir(join(root, 'tmp')).catch(() => []);
  for (const name of temporary) await rm(join(root, 'tmp', name), { recursive: true, force: true });
  return {
    keptBlobs,
    removedBlobs,
    removedBytes,
    removedRecords: orphans.length,
    temporaryFiles: temporary.length,
  };
}
