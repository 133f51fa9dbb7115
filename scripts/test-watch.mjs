/** Jest that runs again what a change touches: `npm run test:watch [-- PHASE-OR-FILE...]`, as `npm test -- --phase`. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { testsOf } from './phases.mjs';
import { setUp } from './setup.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
await setUp({ dev: true });
const { status } = spawnSync(
  process.execPath,
  [
    'node_modules/jest/bin/jest.js',
    '--watch',
    ...process.argv.slice(2).flatMap((name) => testsOf(name).jest),
  ],
  {
    cwd: root,
    stdio: 'inherit',
    env: {
      ...process.env,
      NODE_OPTIONS: '--experimental-vm-modules --disable-warning=ExperimentalWarning',
      OMP_NUM_THREADS: '1',
    },
  },
);
process.exitCode = status ?? 1;
