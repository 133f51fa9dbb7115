import { readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';

/** A lock that is older belongs to a process that is long gone, whoever has its id by now. */
const STALE_MS = 2 * 3_600_000;
const LOOK_MS = 300;

/**
 * Takes the lock of set-up, waiting while another process has it; returns what releases it. One whose process has ended is
 * taken over.
 */
export async function takeLock(file, say) {
  let told = false;
  for (;;) {
    try {
      writeFileSync(file, String(process.pid), { flag: 'wx' });
      return () => {
        if (ownerOf(file) === process.pid) rmSync(file, { force: true });
      };
    } catch (error) {
      if (error.code !== 'EEXIST') throw error;
    }
    const owner = ownerOf(file);
    if (owner !== null && !isHeld(file, owner)) {
      rmSync(file, { force: true });
      continue;
    }
    if (!told) say(`set-up: another one is under way (process ${owner ?? 'unknown'}), waiting for it …`);
    told = true;
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}

function ownerOf(file) {
  try {
    const pid = Number(readFileSync(file, 'utf8'));
    return Number.isInteger(pid) && pid > 0 ? pid : null;
  } catch {
    return null;
  }
}

function isHeld(file, owner) {
  try {
    return isAlive(owner) && Date.now() - statSync(file).mtimeMs < STALE_MS;
  } catch {
    return true;
  }
}

/** Whether a process of this id lives. */
export function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}
