import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { sessionPrefix } from '../../domain/gpu-source/session.ts';
import { SourcesFile } from '../../domain/gpu-source/sources-file.ts';
import { createLocalSource, localProcesses } from '../../gpu-sources/local.ts';
import { killIfThere } from '../../wire/processes.ts';
import { descendants } from './descendants.ts';

/** Name of an embedded stack's fleet: two stacks on one machine do not touch each other's sessions. */
export function fleetOf(dataDir: string): string {
  return createHash('sha256').update(resolve(dataDir)).digest('hex').slice(0, 8);
}

/** The embedded stack's only source: this machine, as many GPU workers as asked for. */
export function localSources(sessions: number): SourcesFile {
  return SourcesFile.parse({
    sources: [
      { name: 'here', kind: 'local', accelerators: ['cpu'], sessions, hours: 8760, pollWithinMinutes: 5 },
    ],
  });
}

/** The embedded stack's Hub as the only source: it runs GPU workers as jobs. */
export function jobSources(): SourcesFile {
  return SourcesFile.parse({
    sources: [
      {
        ...{ name: 'jobs', kind: 'hf-jobs', accelerators: ['cpu'], image: 'plein-air', pollWithinMinutes: 5 },
        flavors: { cpu: 'cpu-basic' },
        price: { perHour: 0.01 },
      },
    ],
  });
}

/** The local sessions of a stack, to list and to close. */
export function localSessions(dataDir: string) {
  return createLocalSource({
    prefix: sessionPrefix(fleetOf(dataDir)),
    worker: { variables: {}, secrets: {} },
    script: '',
    folder: dataDir,
    environment: {},
  });
}

/** Ends the GPU workers that the stack's fleet has started: each publishes its checkpoint first. */
export async function closeLocalSessions(dataDir: string): Promise<void> {
  const source = localSessions(dataDir);
  await Promise.all((await source.list()).map((name) => source.close(name)));
}

/** SIGKILL to a session's worker and all that it started, as a machine that vanishes. */
export async function killLocalSession(dataDir: string, name: string): Promise<void> {
  for (const process of await localProcesses(sessionPrefix(fleetOf(dataDir))))
    if (process.name === name) for (const pid of [process.pid, ...descendants(process.pid)]) killIfThere(pid);
}

/** SIGKILL to the GPU workers that a process has started, with all that they started. */
export function killWorkersBelow(pid: number): void {
  for (const worker of descendants(pid))
    if (isGpuWorker(worker)) for (const id of [worker, ...descendants(worker)]) killIfThere(id);
}

function isGpuWorker(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('gpu-worker.js');
  } catch {
    return false;
  }
}
