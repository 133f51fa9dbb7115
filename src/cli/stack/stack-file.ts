import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { isAlive } from '../../wire/processes.ts';

/** `stack.json` in the data folder: where a running embedded stack is, for every other command. */
export const StackFile = z.strictObject({
  format: z.literal(1),
  /** Process that owns the stack. */
  owner: z.int(),
  temporal: z.strictObject({ address: z.string(), ui: z.string() }),
  /** Another Hub than the embedded one wants a token that no file holds. */
  hub: z.strictObject({ url: z.string(), embedded: z.boolean().default(true) }),
  /** Absent: none is served. */
  studio: z.strictObject({ url: z.string() }).optional(),
  processes: z.array(z.strictObject({ name: z.string(), pid: z.int() })),
});
export type StackFile = z.infer<typeof StackFile>;

const path = (dataDir: string) => join(dataDir, 'stack.json');

/** The stack of a data folder, when one is written down and its owner lives. */
export function readStack(dataDir: string): StackFile | null {
  const stack = readAnyStack(dataDir);
  return stack !== null && isAlive(stack.owner) ? stack : null;
}

function readAnyStack(dataDir: string): StackFile | null {
  try {
    return StackFile.parse(JSON.parse(readFileSync(path(dataDir), 'utf8')));
  } catch {
    return null;
  }
}

/** Replaces `stack.json` whole. */
export function writeStack(dataDir: string, stack: StackFile): void {
  mkdirSync(dataDir, { recursive: true });
  writeFileSync(`${path(dataDir)}.tmp`, JSON.stringify(stack, null, 2), { mode: 0o600 });
  renameSync(`${path(dataDir)}.tmp`, path(dataDir));
}

/** Forgets the stack of a data folder. */
export function removeStack(dataDir: string): void {
  rmSync(path(dataDir), { force: true });
}

/** Processes of a stack whose owner died: they still hold ports and databases. */
export function orphans(dataDir: string): { name: string; pid: number }[] {
  const stack = readAnyStack(dataDir);
  if (stack === null || isAlive(stack.owner)) return [];
  return stack.processes.filter((p) => isAlive(p.pid) && commandLine(p.pid).includes(dataDir));
}

/** Arguments of a process where the system shows them; a pid alone may belong to somebody else by now. */
function commandLine(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
  } catch {
    return '';
  }
}
