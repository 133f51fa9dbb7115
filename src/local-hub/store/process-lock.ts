import { randomUUID } from 'node:crypto';
import { link, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';

/** Says that another live process owns the Hub's folder. */
export class HubFolderInUse extends Error {
  constructor(root: string, owner: string, advice: string) {
    super(`Expected a Hub folder that nobody uses, but ${root} belongs to ${owner}. ${advice}`);
    this.name = 'HubFolderInUse';
  }
}

interface Owner {
  readonly pid: number;
  readonly host: string;
  readonly birth: string | null;
}

/** The texts of this process's locks: one that bears this process's number and is not here is an older process's. */
const held = new Set<string>();

/** Takes the folder for this process; the lock of a dead process is taken over. Returns how to give it back. */
export async function lockFolder(root: string): Promise<() => Promise<void>> {
  await mkdir(root, { recursive: true });
  return takeLock(root, join(root, 'LOCK'));
}

async function takeLock(root: string, path: string): Promise<() => Promise<void>> {
  const birth = await birthOf(process.pid);
  const mine = JSON.stringify({ pid: process.pid, host: hostname(), birth, nonce: randomUUID() });
  held.add(mine);
  try {
    for (let attempt = 0; attempt < 5; attempt += 1) {
      if ((await place(path, mine)) || (await takeOver(root, path, mine))) {
        return async () => {
          if ((await readFile(path, 'utf8').catch(() => '')) === mine) await rm(path, { force: true });
          held.delete(mine);
        };
      }
    }
    throw new HubFolderInUse(root, 'processes that keep taking it', 'Stop them first.');
  } catch (error) {
    held.delete(mine);
    throw error;
  }
}

/** Puts the lock there with its text already in it; false where one is. */
async function place(path: string, text: string): Promise<boolean> {
  const draft = `${path}.${randomUUID()}`;
  await writeFile(draft, text);
  try {
    await link(draft, path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  } finally {
    await rm(draft, { force: true });
  }
}

/** Replaces the lock of a dead process; one at a time may, by a lock of its own, and only if it is still the same one. */
async function takeOver(root: string, path: string, mine: string): Promise<boolean> {
  const dead = await readFile(path, 'utf8').catch(() => undefined);
  if (dead === undefined) return false;
  await requireDead(root, path, dead);
  const release = await takeLock(root, `${path}.takeover`);
  try {
    if ((await readFile(path, 'utf8').catch(() => undefined)) !== dead) return false;
    const draft = `${path}.${randomUUID()}`;
    await writeFile(draft, mine);
    await rename(draft, path);
    return true;
  } finally {
    await release();
  }
}

async function requireDead(root: string, path: string, text: string): Promise<void> {
  const owner = parseOwner(text);
  if (owner && owner.host !== hostname()) {
    throw new HubFolderInUse(
      root,
      `process ${owner.pid} on ${owner.host}`,
      `Stop that process first; if that machine or container is gone for good, remove ${path}.`,
    );
  }
  if (owner && (held.has(text) || (await isAlive(owner))))
    throw new HubFolderInUse(root, `process ${owner.pid} on ${owner.host}`, 'Stop that process first.');
}

function parseOwner(text: string): Owner | undefined {
  try {
    const { pid, host, birth } = JSON.parse(text) as Record<string, unknown>;
    return typeof pid === 'number' && typeof host === 'string'
      ? { pid, host, birth: typeof birth === 'string' ? birth : null }
      : undefined;
  } catch {
    return undefined;
  }
}

/** Whether the process that wrote a lock still runs: its number may belong to another process by now. */
async function isAlive({ pid, birth }: Owner): Promise<boolean> {
  const now = await birthOf(pid);
  if (birth !== null && now !== null) return birth === now;
  if (pid === process.pid) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** When a process of this machine started, in words that no later process has; null where the system does not say. */
async function birthOf(pid: number): Promise<string | null> {
  try {
    const boot = (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim();
    const status = await readFile(`/proc/${pid}/stat`, 'utf8');
    // The second field is the name, in brackets, and may hold spaces; the start is the 22nd.
    return `${boot} ${status.slice(status.lastIndexOf(')') + 2).split(' ')[19]}`;
  } catch {
    return null;
  }
}
