/** Records the histories of a fresh demo into test/replay/histories/VERSION, beside those that are there. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const name = process.argv[2] ?? version;
const dataDir = mkdtempSync(join(tmpdir(), 'plein-air-record-'));
try {
  const folder = join(root, 'test', 'replay', 'histories', name);
  const args = [join(root, 'scripts', 'run.mjs'), 'demo', '--data-dir', dataDir, '--histories', folder];
  execFileSync(process.execPath, args, { stdio: 'inherit' });
} finally {
  rmSync(dataDir, { recursive: true, force: true });
}
