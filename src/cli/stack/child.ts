import { createWriteStream, readFileSync } from 'node:fs';
import { execa } from 'execa';
import { killIfThere } from '../../wire/processes.ts';
import { descendants } from './descendants.ts';

/** A process of the embedded stack: in a group of its own, logging to a file, stopped by its id. */
export interface Child {
  readonly name: string;
  readonly pid: number;
  readonly logFile: string;
  /** Resolves when the process has ended, however it did. */
  readonly ended: Promise<void>;
  isRunning(): boolean;
  /** SIGTERM, then SIGKILL after the grace. */
  stop(graceSeconds?: number): Promise<void>;
  /** SIGKILL to it and to all that it started, as a machine that vanishes. */
  kill(): Promise<void>;
  /** Last lines of its log, for error messages. */
  lastWords(): string;
}

/** Starts a process; Ctrl+C in the terminal does not reach it, so that the stack can be stopped in order. */
export function startChild(p: {
  name: string;
  file: string;
  args: string[];
  env: NodeJS.ProcessEnv;
  cwd: string;
  logFile: string;
}): Child {
  const log = createWriteStream(p.logFile, { flags: 'a' });
  const child = execa(p.file, p.args, {
    env: p.env,
    extendEnv: false,
    cwd: p.cwd,
    detached: true,
    stdin: 'pipe',
    stdout: 'pipe',
    stderr: 'pipe',
    buffer: false,
    reject: false,
    cleanup: true,
  });
  child.stdout?.pipe(log, { end: false });
  child.stderr?.pipe(log, { end: false });
  const pid = child.pid;
  if (pid === undefined) throw new Error(`${p.name}: ${p.file} could not be started`);
  let running = true;
  const ended = child.then(() => {
    running = false;
    log.end();
  });
  return {
    name: p.name,
    pid,
    logFile: p.logFile,
    ended,
    isRunning: () => running,
    async stop(graceSeconds = 15) {
      if (!running) return;
      child.kill('SIGTERM');
      const timer = setTimeout(() => killIfThere(-pid), graceSeconds * 1000);
      await ended;
      clearTimeout(timer);
    },
    async kill() {
      const below = descendants(pid);
      killIfThere(-pid);
      for (const id of below) killIfThere(id);
      await ended;
    },
    lastWords() {
      try {
        return readFileSync(p.logFile, 'utf8').trim().split('\n').slice(-8).join('\n');
      } catch {
        return '(no log)';
      }
    },
  };
}
