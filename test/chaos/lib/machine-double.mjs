/**
 * A rented machine's command line, for the source `command`: opens a GPU worker as a process that leads a group of its own,
 * lists and closes them. Now and then it has no capacity, as the rented ones do.
 *
 *   machine-double.mjs open|close|list FOLDER
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, openSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const [verb, folder, worker] = process.argv.slice(2);
const name = process.env.PLEIN_AIR_SESSION ?? '';
const pidFile = (session) => join(folder, `${session}.pid`);
const isAlive = (pid) => {
  try {
    process.kill(pid, 0);
    return !/^\d+ \(.*\) Z/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
};
const pidOf = (session) =>
  existsSync(pidFile(session)) ? Number(readFileSync(pidFile(session), 'utf8')) : null;
const isOpen = (session) => {
  const pid = pidOf(session);
  return pid !== null && isAlive(pid);
};

mkdirSync(folder, { recursive: true });
if (verb === 'list') {
  for (const file of readdirSync(folder))
    if (file.endsWith('.pid') && isOpen(file.slice(0, -4))) console.log(file.slice(0, -4));
} else if (verb === 'open') {
  if (!isOpen(name)) {
    if (Math.random() < 0.2) {
      console.error('no machine is free');
      process.exit(75);
    }
    const work = join(folder, name);
    mkdirSync(work, { recursive: true });
    const log = openSync(join(folder, `${name}.log`), 'a');
    const child = spawn(process.execPath, [worker], {
      cwd: work,
      detached: true,
      stdio: ['ignore', log, log],
      env: { ...process.env, PLEIN_AIR_WORK_DIR: work },
    });
    writeFileSync(pidFile(name), String(child.pid));
    child.unref();
  }
} else if (verb === 'close') {
  const pid = pidOf(name);
  if (pid !== null && isAlive(pid)) {
    process.kill(pid, 'SIGTERM');
    for (let n = 0; n < 200 && isAlive(pid); n++) await new Promise((resolve) => setTimeout(resolve, 100));
    if (isAlive(pid)) process.kill(-pid, 'SIGKILL');
  }
}
