import { randomUUID } from 'node:crypto';
import { type FileHandle, mkdir, open, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';

/** Flushes of directories that have not begun yet: whoever comes until then is served by the same one. */
const waiting = new Map<string, Promise<void>>();
const running = new Map<string, Promise<void>>();

/** Flushes a directory, so that a rename into it survives a power cut; many renames at once share one flush. */
export function syncDirectory(path: string): Promise<void> {
  const queued = waiting.get(path);
  if (queued) return queued;
  const before = running.get(path) ?? Promise.resolve();
  const mine: Promise<void> = before
    .catch(() => undefined)
    .then(async () => {
      waiting.delete(path);
      running.set(path, mine);
      try {
        await flushDirectory(path);
      } finally {
        if (running.get(path) === mine) running.delete(path);
      }
    });
  waiting.set(path, mine);
  return mine;
}

async function flushDirectory(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** A fresh name in the Hub's folder for unfinished files; what a crash leaves there is removed at the next start. */
export function temporaryPath(root: string): string {
  return join(root, 'tmp', randomUUID());
}

/** Opens a new temporary file, lets `write` fill it, and flushes it; a failure removes it. */
export async function writeTemporary(
  root: string,
  write: (file: FileHandle) => Promise<void>,
  mode = 0o600,
): Promise<string> {
  const path = temporaryPath(root);
  try {
    const file = await open(path, 'wx', mode);
    try {
      await write(file);
      await file.sync();
    } finally {
      await file.close();
    }
  } catch (error) {
    await rm(path, { force: true });
    throw error;
  }
  return path;
}

/** Makes a folder and those above it, each flushed into the one that holds it. */
export async function ensureFolder(path: string): Promise<void> {
  const first = await mkdir(path, { recursive: true });
  if (first === undefined) return;
  for (let made = path; ; made = dirname(made)) {
    await syncDirectory(dirname(made));
    if (made === first) return;
  }
}

/** Renames a flushed temporary file to its place and flushes that folder. */
export async function publish(temporary: string, target: string): Promise<void> {
  const folder = dirname(target);
  await ensureFolder(folder);
  await rename(temporary, target);
  await syncDirectory(folder);
}

/** Replaces a small file whole: a reader, or a restart after a crash, sees the old text or the new. */
export async function replaceFile(root: string, target: string, text: string, mode = 0o600): Promise<void> {
  const fill = async (file: FileHandle): Promise<void> => {
    await file.writeFile(text);
    // The umask may have taken from it what others are meant to read.
    await file.chmod(mode);
  };
  const temporary = await writeTemporary(root, fill, mode);
  await publish(temporary, target);
}
