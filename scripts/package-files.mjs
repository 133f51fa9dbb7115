/**
 * Before `npm pack`: the build, the commit that it is of, and the lock file under the name that npm honors in a package, so
 * that who installs it gets the very versions that were tested. `--remove` takes the last two away again.
 */
import { execFileSync } from 'node:child_process';
import { copyFileSync, rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { setUp } from './setup.mjs';

const at = (name) => fileURLToPath(new URL(`../${name}`, import.meta.url));
const MADE = [at('npm-shrinkwrap.json'), at('.code-commit')];

if (process.argv.includes('--remove')) for (const file of MADE) rmSync(file, { force: true });
else {
  await setUp();
  const git = ['describe', '--always', '--abbrev=40', '--exclude=*', '--dirty'];
  const commit = execFileSync('git', git, { cwd: at(''), encoding: 'utf8' });
  copyFileSync(at('package-lock.json'), MADE[0]);
  writeFileSync(MADE[1], commit);
}
