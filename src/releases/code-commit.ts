import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
let found: Promise<string | null> | null = null;

/**
 * Commit of the code that runs, `-dirty` where the checkout has changes: from git, or from the file `.code-commit` that an
 * image is built with. Null: neither is there.
 */
export function codeCommit(): Promise<string | null> {
  found ??= look();
  return found;
}

async function look(): Promise<string | null> {
  const run = promisify(execFile);
  try {
    const { stdout } = await run('git', ['describe', '--always', '--abbrev=40', '--exclude=*', '--dirty'], {
      cwd: ROOT,
    });
    return stdout.trim();
  } catch {
    return readFile(new URL('../../.code-commit', import.meta.url), 'utf8').then(
      (text) => text.trim(),
      () => null,
    );
  }
}
