import { randomUUID } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { mkdir, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';

/** How long the pieces of an unfinished upload are kept, in ms: as long as the URLs that may still complete it. */
export const UPLOAD_LIFETIME = 6 * 3600 * 1000;

/** Empties the folder of unfinished files; pieces of uploads that a client may still complete stay. */
export async function sweepTemporary(root: string, now = Date.now()): Promise<void> {
  const folder = join(root, 'tmp');
  await mkdir(folder, { recursive: true });
  for (const name of await readdir(folder)) {
    const path = join(folder, name);
    if (/^(xet|parts)-/.test(name) && now - (await stat(path)).mtimeMs < UPLOAD_LIFETIME) continue;
    await rm(path, { recursive: true, force: true });
  }
}

/** Removes the pieces of uploads that nobody can complete any more; safe while the Hub serves. */
export async function sweepExpiredUploads(root: string, now = Date.now()): Promise<void> {
  const folder = join(root, 'tmp');
  for (const name of await readdir(folder)) {
    if (!/^(xet|parts)-/.test(name)) continue;
    const path = join(folder, name);
    const found = await stat(path).catch(() => undefined);
    if (found && now - found.mtimeMs >= UPLOAD_LIFETIME) await rm(path, { recursive: true, force: true });
  }
}

/** Takes a piece of an upload: it is there whole or not at all, and what a full disk or a lost client cut off is removed. */
export async function receive(target: string, chunks: AsyncIterable<Buffer>): Promise<void> {
  const partial = `${target}.${randomUUID()}`;
  try {
    await pipeline(chunks, createWriteStream(partial));
    await rename(partial, target);
  } finally {
    await rm(partial, { force: true });
  }
}
