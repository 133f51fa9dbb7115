import { execFile, spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { killIfThere, signalIfThere } from '../wire/processes.ts';
import type { GpuSource, SourceGround } from './source.ts';

/** Argument by which a worker's process is recognized as a session; what follows it is the session's name. */
export const SESSION_ARGUMENT = '--session';

/** What GPU workers of this machine are started with. */
export interface LocalMachine extends SourceGround {
  /** Script of the GPU worker. */
  script: string;
  /** Folder below which each session gets an empty folder of its own, and `logs` beside it. */
  folder: string;
  /** Environment of a worker before what the session adds. */
  environment: NodeJS.ProcessEnv;
  /** Seconds between SIGTERM and SIGKILL. Default 45: a worker publishes its checkpoint meanwhile. */
  graceSeconds?: number;
  /** Process whose end ends the sessions as well; default: none. */
  owner?: number | undefined;
}

/**
 * GPU workers as processes of this machine. The list of processes is the ledger: a worker carries its session's name in its
 * arguments, so that one that was started by a process that then died is found again.
 */
export function createLocalSource(machine: LocalMachine): GpuSource {
  const { prefix, script, folder, worker, environment, graceSeconds = 45, owner } = machine;
  return {
    async open({ name }) {
      if ((await localProcesses(prefix)).some((one) => one.name === name)) return;
      const work = join(folder, 'work', name);
      mkdirSync(work, { recursive: true });
      mkdirSync(join(folder, 'logs'), { recursive: true });
      const log = openSync(join(folder, 'logs', `${name}.log`), 'a');
      const more = owner === undefined ? [] : ['--stop-with', String(owner)];
      try {
        const child = spawn(process.execPath, [script, '--work-dir', work, ...more, SESSION_ARGUMENT, name], {
          cwd: work,
          detached: true,
          stdio: ['ignore', log, log],
          env: {
            ...environment,
            ...worker.variables,
            ...worker.secrets,
            PLEIN_AIR_IDENTITY: name,
            PLEIN_AIR_WORK_DIR: work,
          },
        });
        await new Promise<void>((resolve, reject) => {
          child.once('spawn', resolve);
          child.once('error', reject);
        });
        child.unref();
      } finally {
        closeSync(log);
      }
    },
    async close(name) {
      const of = async () => (await localProcesses(prefix)).filter((one) => one.name === name);
      for (const { pid } of await of()) signalIfThere(pid, 'SIGTERM');
      const end = Date.now() + graceSeconds * 1000;
      while ((await of()).length > 0 && Date.now() < end) await new Promise((r) => setTimeout(r, 200));
      // Each leads a group of its own, with its trainer in it.
      for (const { pid } of await of()) killIfThere(-pid);
    },
    async list() {
      return [...new Set((await localProcesses(prefix)).map(({ name }) => name))];
    },
  };
}

/** Processes of this machine that are workers of sessions whose names begin so. */
export async function localProcesses(prefix: string): Promise<{ pid: number; name: string }[]> {
  const { stdout } = await promisify(execFile)('ps', ['-A', '-ww', '-o', 'pid=,stat=,args='], {
    maxBuffer: 64 * 1024 * 1024,
  });
  const found: { pid: number; name: string }[] = [];
  for (const line of stdout.split('\n')) {
    const match = /^\s*(\d+)\s+(\S+)\s.* --session (\S+)$/.exec(line);
    if (match === null || match[2]?.startsWith('Z')) continue;
    const name = match[3] ?? '';
    if (name.startsWith(prefix)) found.push({ pid: Number(match[1]), name });
  }
  return found;
}
