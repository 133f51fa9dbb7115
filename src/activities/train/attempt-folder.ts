import { mkdir, readdir, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

/** Folders of attempts that were killed on this machine go after this time. */
const LEFTOVER_MS = 10 * 60_000;

/** An empty folder of an attempt's own, beside which what killed attempts left long ago is removed. */
export async function openAttemptFolder(folder: string): Promise<void> {
  const siblings = await readdir(dirname(folder)).catch(() => []);
  for (const name of siblings) {
    const path = join(dirname(folder), name);
    const changed = await stat(path).then(
      (found) => found.mtimeMs,
      () => Date.now(),
    );
    if (Date.now() - changed > LEFTOVER_MS) await rm(path, { recursive: true, force: true });
  }
  await mkdir(folder, { recursive: true });
}

/** Removes local checkpoints that are older than one that is on the Hub: they have no use, and disks are small. */
export async function dropOlderCopies(folder: string, published: string): Promise<void> {
  const names = await readdir(folder).catch(() => []);
  const older = names.filter((name) => name.startsWith('step-') && name < basename(published));
  await Promise.all(older.map((name) => rm(join(folder, name), { recursive: true, force: true }))).catch(
    () => undefined,
  );
}
