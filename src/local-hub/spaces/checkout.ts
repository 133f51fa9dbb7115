import { constants, copyFile, mkdir, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { BlobStore } from '../store/blobs.ts';
import { isFolder } from '../store/directories.ts';
import type { Repo } from '../store/repo.ts';
import { walk } from '../store/tree.ts';

/** Copies the files of a commit into a fresh folder; the app may do there what it likes without touching the store. */
export async function checkOut(blobs: BlobStore, repo: Repo, commit: string, folder: string): Promise<void> {
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  const { tree } = await repo.commit(commit);
  for await (const { path, entry } of walk(repo.objects, tree, { prefix: '', recursive: true })) {
    if (isFolder(entry)) continue;
    const target = join(folder, path);
    await mkdir(dirname(target), { recursive: true });
    await copyFile(blobs.path(entry.sha256), target, constants.COPYFILE_FICLONE);
  }
}
