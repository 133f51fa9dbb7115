/**
 * Runs one operation on a Hub's folder and is killed right before its n-th change of the disk (n counts from 1; 0 never):
 * `node scripts/ts.mjs test/local-hub/die-at.ts ROOT OPERATION N`. Prints how many changes there were, if it got that far.
 */
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';

const [root = '', name = '', at = '0'] = process.argv.slice(2);
let changes = 0;
let armed = false;

/** SIGKILL leaves no chance to tidy up: what is on disk is what the next process finds. */
function step(): void {
  if (!armed) return;
  changes += 1;
  if (changes === Number(at)) process.kill(process.pid, 'SIGKILL');
}

function watch(holder: object, method: string, when: (args: unknown[]) => boolean = () => true): void {
  const target = holder as Record<string, (...args: unknown[]) => unknown>;
  const original = target[method];
  if (!original) throw new Error(`Expected a function ${method} to watch`);
  target[method] = function watched(this: unknown, ...args: unknown[]) {
    if (when(args)) step();
    return original.apply(this, args);
  };
}

const writes = ([, flags]: unknown[]): boolean => typeof flags === 'string' && /[wa+]/.test(flags);
const handle = await fs.promises.open(process.execPath, 'r');
for (const method of ['write', 'writev', 'writeFile', 'sync', 'datasync'])
  watch(Object.getPrototypeOf(handle), method);
await handle.close();
for (const method of ['rename', 'rm', 'mkdir', 'link', 'writeFile']) watch(fs.promises, method);
watch(fs.promises, 'open', writes);
for (const method of ['write', 'writev']) watch(fs, method);
syncBuiltinESMExports();

const { OPERATIONS } = await import('./operations.ts');
const operation = OPERATIONS[name];
if (!operation) throw new Error(`Expected one of ${Object.keys(OPERATIONS).join(', ')}, got ${name}`);
await operation.run(root, () => {
  armed = true;
});
armed = false;
console.log(JSON.stringify({ changes }));
