import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
let found: Promise<string | null> | null = null;

/**
 * Commit of the code that runs: from the file `.code-commit` that an image or package is built with, else from git,
 * `-dirty` where the checkout has changes. Null: neither is there.
 */
export function codeCommit(): Promise<string | null> {
  found ??= look();
  return found;
}

async function look(): Promise<string | null> {
  try {
    return (await readFile(new URL('../../.code-commit', import.meta.url), 'utf8')).trim();
  } catch {
    // A checkout has no such file.
  }
  // A package lies in a project that may be a checkout of something else.
  if (!existsSync(join(ROOT, '.git'))) return null;
  const run = promisify(execFile);
  try {
    const { stdout } = await run('git', ['describe', '--always', '--abbrev=40', '--exclude=*', '--dirty'], {
      cwd: ROOT,
    });
    return stdout.trim();
  } catch {
    return null;
  }
}
