import { createHash } from 'node:crypto';
import { mkdir, rename } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { hashedFiles, requireHubFolder } from './store/blob-files.ts';
import { BlobStore } from './store/blobs.ts';
import { lockFolder } from './store/process-lock.ts';
import { walkReachable } from './store/reachable.ts';
import { RepoType } from './store/repo.ts';
import { RepoCollection } from './store/repos.ts';

/** What was verified, and a sentence for everything that is wrong. */
export interface FsckReport {
  readonly repos: number;
  readonly records: number;
  readonly blobs: number;
  readonly bytes: number;
  /** Blobs that no ref reaches: uploads without their commit, deleted or squashed files. `gc` removes them. */
  readonly orphans: number;
  readonly problems: string[];
  /** Damaged blobs that were moved to `damaged/`, so that uploading the same file again mends the repo. */
  readonly setAside: string[];
}

interface Verified {
  readonly size: number;
  readonly trouble: string | undefined;
}

/**
 * Reads everything that refs reach and every blob in the store, and compares it with its hash. Works beside a running
 * server; `setAside` moves damaged blobs away and needs the folder's lock.
 */
export async function fsck(root: string, options: { setAside?: boolean } = {}): Promise<FsckReport> {
  const folder = resolve(root);
  await requireHubFolder(folder);
  if (!options.setAside) return check(folder, false);
  const unlock = await lockFolder(folder);
  try {
    return await check(folder, true);
  } finally {
    await unlock();
  }
}

async function check(folder: string, setAside: boolean): Promise<FsckReport> {
  const blobs = new BlobStore(folder);
  const problems: string[] = [];
  const reached = new Map<string, { size: number; where: string }>();
  let repos = 0;
  let records = 0;
  const collection = new RepoCollection(folder);
  for (const type of RepoType.options) {
    for (const repo of await collection.list(type)) {
      repos += 1;
      const reachable = await walkReachable(repo);
      records += reachable.records.size;
      problems.push(...reachable.problems);
      for (const [sha256, { name, size }] of reachable.files)
        reached.set(sha256, { size, where: `${type} ${repo.id}: ${name}` });
    }
  }
  const verified = await verifyAll(blobs);
  for (const [sha256, { size, where }] of reached) {
    const found = verified.get(sha256) ?? (await verify(blobs, sha256));
    const trouble =
      found.trouble ?? (found.size === size ? undefined : `expected ${size} bytes, got ${found.size}`);
    if (trouble) problems.push(`${where}: blob ${sha256}: ${trouble}`);
  }
  const damaged = [...verified].filter(([, { trouble }]) => trouble !== undefined);
  for (const [sha256, { trouble }] of damaged)
    if (!reached.has(sha256)) problems.push(`blob ${sha256}, which no ref reaches: ${trouble}`);
  const moved = setAside ? damaged.map(([sha256]) => sha256) : [];
  if (moved.length > 0) await mkdir(join(folder, 'damaged'), { recursive: true });
  for (const sha256 of moved) await rename(blobs.path(sha256), join(folder, 'damaged', sha256));
  const sizes = [...verified.values()];
  return {
    repos,
    records,
    blobs: verified.size,
    bytes: sizes.reduce((sum, { size }) => sum + size, 0),
    orphans: [...verified.keys()].filter((sha256) => !reached.has(sha256)).length,
    problems,
    setAside: moved,
  };
}

async function verifyAll(blobs: BlobStore): Promise<Map<string, Verified>> {
  const all = new Map<string, Verified>();
  for await (const { oid } of hashedFiles(join(blobs.root, 'blobs', 'sha256')))
    all.set(oid, await verify(blobs, oid));
  return all;
}

async function verify(blobs: BlobStore, sha256: string): Promise<Verified> {
  const size = await blobs.size(sha256);
  if (size === undefined) return { size: 0, trouble: 'it is missing, or not a plain file' };
  const hash = createHash('sha256');
  try {
    for await (const chunk of blobs.read(sha256)) hash.update(chunk as Buffer);
  } catch (error) {
    return { size, trouble: `it cannot be read: ${error instanceof Error ? error.message : error}` };
  }
  const got = hash.digest('hex');
  return { size, trouble: got === sha256 ? undefined : `its bytes hash to ${got}` };
}
