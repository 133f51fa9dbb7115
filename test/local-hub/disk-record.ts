/**
 * Runs one operation on a Hub's folder and writes down in which order it changes the disk:
 * `node scripts/ts.mjs test/local-hub/disk-record.ts ROOT OPERATION RECORD`. RECORD becomes a folder with `log.jsonl`, and the
 * bytes of every file at each of its flushes.
 */
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';

/** A change of the disk, in the order in which they were done; a flush is dated by its begin: what came later it may miss. */
export type DiskEvent =
  | { kind: 'create' | 'mkdir' | 'remove'; path: string }
  | { kind: 'rename' | 'link'; path: string; to: string }
  | { kind: 'flush'; path: string; from: number; bytes: string }
  | { kind: 'flushFolder'; path: string; from: number }
  | { kind: 'answer' };

const [root = '', name = '', record = ''] = process.argv.slice(2);
const { appendFileSync, copyFileSync, existsSync, mkdirSync, statSync } = fs;
mkdirSync(record, { recursive: true });
let armed = false;
let count = 0;
let flushes = 0;

function note(event: DiskEvent): void {
  if (!armed) return;
  appendFileSync(join(record, 'log.jsonl'), `${JSON.stringify(event)}\n`);
  count += 1;
}

type AnyFunction = (this: unknown, ...args: unknown[]) => Promise<unknown>;
function after(
  holder: object,
  method: string,
  then: (args: unknown[], result: unknown, had: boolean) => void,
): void {
  const target = holder as Record<string, AnyFunction>;
  const original = target[method] as AnyFunction;
  target[method] = async function watched(this: unknown, ...args: unknown[]) {
    const had = existsSync(String(args[0]));
    const result = await original.apply(this, args);
    then(args, result, had);
    return result;
  };
}

/** The handles that are open, by what they were opened for. */
const paths = new WeakMap<object, string>();
const probe = await fs.promises.open(process.execPath, 'r');
const handles = Object.getPrototypeOf(probe) as Record<string, AnyFunction>;
await probe.close();
for (const method of ['sync', 'datasync']) {
  const original = handles[method] as AnyFunction;
  handles[method] = async function watched(this: unknown) {
    const path = paths.get(this as object) ?? '';
    const from = count;
    const isFolder = path !== '' && existsSync(path) && statSync(path).isDirectory();
    const bytes = join(record, `${flushes++}.bytes`);
    if (armed && path !== '' && !isFolder && existsSync(path)) copyFileSync(path, bytes);
    const result = await original.call(this);
    note(isFolder ? { kind: 'flushFolder', path, from } : { kind: 'flush', path, from, bytes });
    return result;
  };
}
after(fs.promises, 'open', ([path, flags], handle, had) => {
  paths.set(handle as object, String(path));
  if (!had && typeof flags === 'string' && /[wa+]/.test(flags)) note({ kind: 'create', path: String(path) });
});
after(fs.promises, 'writeFile', ([path], _, had) => {
  if (typeof path === 'string' && !had) note({ kind: 'create', path });
});
after(fs.promises, 'rename', ([path, to]) => note({ kind: 'rename', path: String(path), to: String(to) }));
after(fs.promises, 'link', ([path, to]) => note({ kind: 'link', path: String(path), to: String(to) }));
after(fs.promises, 'rm', ([path], _, had) => had && note({ kind: 'remove', path: String(path) }));
after(fs.promises, 'mkdir', ([path, options], made) => {
  const isRecursive = (options as { recursive?: boolean } | undefined)?.recursive === true;
  // A recursive one says which was the first that it made, if any.
  if (isRecursive && made === undefined) return;
  let at = isRecursive ? String(made) : String(path);
  note({ kind: 'mkdir', path: at });
  for (const part of String(path).slice(at.length).split('/').filter(Boolean)) {
    at = join(at, part);
    note({ kind: 'mkdir', path: at });
  }
});
syncBuiltinESMExports();

const { OPERATIONS } = await import('./operations.ts');
await OPERATIONS[name]?.run(
  root,
  () => {
    armed = true;
  },
  () => {
    note({ kind: 'answer' });
    armed = false;
  },
);
