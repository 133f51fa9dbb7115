/** Writes the Python lock files from their .in files, with hashes and for every platform. */
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { setUp } from './setup.mjs';

await setUp();
const at = (path) => fileURLToPath(new URL(`../${path}`, import.meta.url));
const NAMES = [
  'temporal/requirements',
  'gpu-worker/requirements',
  'gpu-worker/requirements-gpu',
  'gpu-worker/requirements-dev',
  'test/hub-conformance/client-1x',
];
for (const name of NAMES) {
  const options = ['--universal', '--python-version', '3.11', '--generate-hashes', '--no-annotate'];
  const header = ['--custom-compile-command', 'npm run lock:python'];
  execFileSync(
    at('.tools/bin/uv'),
    ['pip', 'compile', ...options, ...header, at(`${name}.in`), '-o', at(`${name}.lock`), '-q'],
    {
      stdio: 'inherit',
    },
  );
}
