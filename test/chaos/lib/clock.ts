import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Debian's libfaketime, by architecture. */
const LIBRARIES = ['x86_64', 'aarch64'].map((cpu) => `/usr/lib/${cpu}-linux-gnu/faketime/libfaketimeMT.so.1`);

const fileOf = (root: string, part: string) => join(root, 'clocks', part);

/**
 * Variables that give a process and all that it starts a wall clock which {@link setClock} moves; its monotonic clock goes on, as
 * on a machine whose time is set. Null where libfaketime is missing. Go programs do not ask libc for the time: no use there.
 */
export function clockOf(root: string, part: string): Record<string, string> | null {
  const library = LIBRARIES.find((file) => existsSync(file));
  if (library === undefined) return null;
  mkdirSync(join(root, 'clocks'), { recursive: true });
  setClock(root, part, 0);
  return {
    LD_PRELOAD: library,
    FAKETIME_TIMESTAMP_FILE: fileOf(root, part),
    FAKETIME_CACHE_DURATION: '1',
    FAKETIME_DONT_FAKE_MONOTONIC: '1',
    FAKETIME_DONT_RESET: '1',
  };
}

/** Moves a part's wall clock to so many seconds from the true time. */
export function setClock(root: string, part: string, seconds: number): void {
  writeFileSync(fileOf(root, part), `${seconds < 0 ? '' : '+'}${seconds}`);
}
