import { spawn } from 'node:child_process';
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fsck } from '../../../src/local-hub/fsck.ts';
import { gc } from '../../../src/local-hub/gc.ts';
import { look, OPERATIONS, prepareFolder, type Visible } from '../../local-hub/operations.ts';

/** What a sweep over the crash points of some operations saw. */
export interface CrashReport {
  /** Changes of the disk that each operation makes. */
  readonly changes: Record<string, number>;
  readonly crashes: number;
  /** After how many crashes the operation had not happened, and after how many it had. */
  readonly before: number;
  readonly after: number;
  readonly problems: string[];
}

/** Runs an operation up to a change of the disk; undefined where it was killed there. */
function runTo(root: string, operation: string, at: number): Promise<{ changes: number } | undefined> {
  return new Promise((done, failed) => {
    const args = [
      resolve('scripts/ts.mjs'),
      resolve('test/local-hub/die-at.ts'),
      root,
      operation,
      String(at),
    ];
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    let out = '';
    let errors = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      out += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      errors += text;
    });
    child.once('close', (code, signal) => {
      if (signal === 'SIGKILL') done(undefined);
      else if (code === 0) done(JSON.parse(out) as { changes: number });
      else failed(new Error(`${operation} at ${at} ended with ${code ?? signal}: ${errors.slice(-1000)}`));
    });
  });
}

/** What a Hub over a folder shows, or in words why it cannot. */
const lookAt = (root: string): Promise<Visible> =>
  look(root).catch((error: unknown) => ({ error: error instanceof Error ? error.message : String(error) }));

const same = (a: Visible, b: Visible): boolean => JSON.stringify(a) === JSON.stringify(b);

/** Whether every ref is as it was before or as it is afterwards, where an operation moves several. */
function between(seen: Visible, before: Visible, after: Visible): boolean {
  const keys = new Set([...Object.keys(before), ...Object.keys(after), ...Object.keys(seen)]);
  return [...keys].every((key) => seen[key] === before[key] || seen[key] === after[key]);
}

/** Collects garbage; what is wrong afterwards, or why it could not. */
async function collect(root: string): Promise<string[]> {
  try {
    await gc(root);
  } catch (error) {
    return [error instanceof Error ? error.message : String(error)];
  }
  const { problems, orphans } = await fsck(root);
  return orphans > 0 ? [...problems, `${orphans} orphans are left`] : problems;
}

/**
 * Kills each operation right before every `stride`-th of its changes of the disk. After each kill the folder must verify,
 * show the state before or the state after and nothing else, and let the same operation be asked again to its end.
 */
export async function crashEverywhere(
  options: { operations?: readonly string[]; stride?: number; progress?: (done: string) => void } = {},
): Promise<CrashReport> {
  const { operations = Object.keys(OPERATIONS), stride = 1, progress } = options;
  const top = await mkdtemp(join(tmpdir(), 'plein-air-crash-'));
  const pristine = join(top, 'pristine');
  const report = { changes: {} as Record<string, number>, crashes: 0, before: 0, after: 0 };
  const problems: string[] = [];
  try {
    await prepareFolder(pristine);
    const before = await look(pristine);
    for (const name of operations) {
      const whole = join(top, 'whole');
      await cp(pristine, whole, { recursive: true });
      const changes = (await runTo(whole, name, 0))?.changes ?? 0;
      const after = await look(whole);
      await rm(whole, { recursive: true });
      report.changes[name] = changes;
      for (let at = 1; at <= changes; at += stride) {
        const root = join(top, 'cut');
        await cp(pristine, root, { recursive: true });
        const where = `${name}, killed before change ${at} of ${changes}`;
        if (await runTo(root, name, at)) problems.push(`${where}: it was not killed`);
        report.crashes += 1;
        problems.push(...(await fsck(root)).problems.map((problem) => `${where}: ${problem}`));
        const seen = await lookAt(root);
        if (same(seen, before)) report.before += 1;
        else if (same(seen, after)) report.after += 1;
        else if (!OPERATIONS[name]?.manyRefs || !between(seen, before, after))
          problems.push(`${where}: expected the state before or after, got ${JSON.stringify(seen)}`);
        await runTo(root, name, 0).catch((error: Error) => problems.push(`${where}: ${error.message}`));
        if (!same(await lookAt(root), after))
          problems.push(`${where}: asked again it did not come to its end`);
        problems.push(...(await collect(root)).map((problem) => `${where}, then gc: ${problem}`));
        await rm(root, { recursive: true });
      }
      progress?.(`${name}: ${changes} changes of the disk`);
    }
    return { ...report, problems };
  } finally {
    await rm(top, { recursive: true, force: true });
  }
}
