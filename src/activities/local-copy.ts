import { mkdir, readFile, rename, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import type { CommitRef } from '../domain/refs.ts';
import type { Hub } from '../hub/hub.ts';

const Marker = z.array(z.strictObject({ path: z.string(), bytes: z.int() }));

/**
 * A whole repository at a commit as a local folder, kept from one activity to the next: downloaded and verified once,
 * then trusted as long as its files have their sizes.
 */
export async function localCopy(p: {
  hub: Hub;
  ref: CommitRef;
  workDir: string;
  signal?: AbortSignal;
  onProgress?: (doneBytes: number, totalBytes: number) => void;
}): Promise<string> {
  const folder = join(p.workDir, 'repositories', `${p.ref.type}-${p.ref.repo.replace('/', '--')}`, p.ref.commit);
  const marker = `${folder}.complete.json`;
  if (await isComplete(folder, marker)) return folder;
  const paths = await p.hub.download({
    repo: { type: p.ref.type, repo: p.ref.repo },
    commit: p.ref.commit,
    toFolder: folder,
    ...(p.signal === undefined ? {} : { signal: p.signal }),
    ...(p.onProgress === undefined ? {} : { onProgress: p.onProgress }),
  });
  const files = await Promise.all(paths.map(async (path) => ({ path, bytes: (await stat(join(folder, path))).size })));
  await mkdir(dirname(marker), { recursive: true });
  await writeFile(`${marker}.part`, JSON.stringify(files));
  await rename(`${marker}.part`, marker);
  return folder;
}

async function isComplete(folder: string, marker: string): Promise<boolean> {
  try {
    const files = Marker.parse(JSON.parse(await readFile(marker, 'utf8')));
    const sizes = await Promise.all(files.map(({ path }) => stat(join(folder, path))));
    return sizes.every(({ size }, index) => size === files[index]?.bytes);
  } catch {
    return false;
  }
}
