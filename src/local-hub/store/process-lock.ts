import { mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';

/** Says that another live process owns the Hub's folder. */
export class HubFolderInUse extends Error {
  constructor(root: string, owner: string) {
    super(
      `Expected a Hub folder that nobody uses, but ${root} belongs to ${owner}. Stop that process first.`,
    );
    this.name = 'HubFolderInUse';
  }
}

/** Takes the folder for this process; the lock of a dead process is taken over. Returns how to give it back. */
export async function lockFolder(root: string): Promise<() => Promise<void>> {
  await mkdir(root, { recursive: true });
  const path = join(root, 'LOCK');
  const mine = JSON.stringify({ pid: process.pid, host: hostname(), started: Date.now() });
  for (let attempt = 0; attempt < 5; attempt += 1) {
    try {
      const file = await open(path, 'wx');
      await file.writeFile(mine);
      await file.close();
      return async () => {
        if ((await readFile(path, 'utf8').catch(() => '')) === mine) await rm(path, { force: true });
      };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
    const text = await readFile(path, 'utf8').catch(() => '');
    const owner = parseOwner(text);
    if (owner && (owner.host !== hostname() || isAlive(owner.pid))) {
      throw new HubFolderInUse(root, `process ${owner.pid} on ${owner.host}`);
    }
    const stale = `${path}.stale-${process.pid}-${attempt}`;
    await rename(path, stale).catch(() => undefined);
    await rm(stale, { force: true });
  }
  throw new HubFolderInUse(root, 'a process that keeps taking it');
}

function parseOwner(text: string): { pid: number; host: string } | undefined {
  try {
    const value = JSON.parse(text) as { pid?: unknown; host?: unknown };
    return typeof value.pid === 'number' && typeof value.host === 'string'
      ? { pid: value.pid, host: value.host }
      : undefined;
  } catch {
    return undefined;
  }
}

function isAlive(pid: number): boolean {
  if (pid === process.pid) return true;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
