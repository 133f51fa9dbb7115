import { execFileSync } from 'node:child_process';
import { closeSync, mkdirSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** Gives a folder a small file system of its own, in memory; false where this user may not mount one. */
export function mountSmall(folder: string, megabytes: number): boolean {
  mkdirSync(folder, { recursive: true });
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m`, 'tmpfs', folder], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

/** Takes the file system away again, with all that is on it. */
export function unmount(folder: string): void {
  execFileSync('umount', ['--lazy', folder]);
}

/** Fills a folder's file system to the last byte for so long, also what others free meanwhile. */
export async function fillDisk(folder: string, seconds: number): Promise<void> {
  const filler = join(folder, 'filler');
  const file = openSync(filler, 'w');
  const end = Date.now() + seconds * 1000;
  try {
    while (Date.now() < end) {
      writeAll(file);
      await sleep(50);
    }
  } finally {
    closeSync(file);
    rmSync(filler);
  }
}

/** Writes until nothing more goes in. */
function writeAll(file: number): void {
  for (let size = 1 << 20; size > 0; ) {
    try {
      if (writeSync(file, Buffer.alloc(size)) < size) size >>= 1;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
      size >>= 1;
    }
  }
}
