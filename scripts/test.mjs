/**
 * Sets up, then runs every check and test; prints `N passed, N failed` last. `--only NAME` runs one suite, `--phase NAME`
 * the tests of one phase (`scripts/phases.mjs`).
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { testsOf } from './phases.mjs';
import { setUp } from './setup.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const option = (name) => (process.argv.includes(name) ? process.argv[process.argv.indexOf(name) + 1] : null);
const only = option('--only');
const phase = option('--phase');
const rest = process.argv.includes('--') ? process.argv.slice(process.argv.indexOf('--') + 1) : [];
const scratch = mkdtempSync(join(tmpdir(), 'plein-air-test-'));
const node = (...args) => [process.execPath, args];
const module = (path) => join(root, 'node_modules', path);
const venv = (name) => join(root, 'gpu-worker', '.venv', 'bin', name);
const gpuWorker = join(root, 'gpu-worker');

const CHECKS = [
  ['types', ...node(module('typescript/bin/tsc'), '--noEmit')],
  ['rooms', ...node(join(root, 'scripts/check-rooms.mjs'))],
  ['biome', ...node(module('@biomejs/biome/bin/biome'), 'check', '--error-on-warnings', '.')],
  ['oxlint', ...node(module('oxlint/bin/oxlint'), '--type-aware', '-c', '.oxlintrc.json', 'src', 'test')],
  ['ruff', venv('ruff'), ['check', gpuWorker, join(root, 'bench')]],
  ['ruff format', venv('ruff'), ['format', '--check', gpuWorker, join(root, 'bench')]],
  ['python types', venv('basedpyright'), ['--project', gpuWorker]],
  [
    'python imports',
    venv('lint-imports'),
    ['--config', 'pyproject.toml'],
    { cwd: gpuWorker, env: { PYTHONPATH: join(gpuWorker, 'src') } },
  ],
];

let chosen = null;
let passed = 0;
const failures = [];
const failedTests = [];

function run(name, file, args, { cwd = root, env = {} } = {}) {
  const started = Date.now();
  process.stdout.write(`\n=== ${name}\n`);
  return new Promise((resolve) => {
    const child = spawn(file, args, {
      cwd,
      env: { ...process.env, ...env },
      stdio: ['ignore', 'inherit', 'inherit'],
    });
    const stop = () => child.kill('SIGTERM');
    process.once('SIGINT', stop).once('SIGTERM', stop);
    child.on('error', (error) => {
      process.stdout.write(`${file}: ${error.message}\n`);
      resolve(1);
    });
    child.on('close', (code) => {
      process.off('SIGINT', stop).off('SIGTERM', stop);
      process.stdout.write(
        `=== ${name}: ${code === 0 ? 'ok' : 'FAILED'} (${((Date.now() - started) / 1000).toFixed(0)} s)\n`,
      );
      resolve(code ?? 1);
    });
  });
}

function count(name, ok, bad) {
  passed += ok;
  if (bad > 0) failures.push([name, bad]);
}

async function checks() {
  for (const [name, file, args, options] of CHECKS)
    (await run(name, file, args, options)) === 0 ? count(name, 1, 0) : count(name, 0, 1);
}

const jest = () => runJest('jest', [...(chosen?.jest ?? []), ...rest]);

/** The workflows' tests again with no run kept in memory: every task replays its history, as after a worker's restart. */
const uncached = () =>
  runJest('uncached', ['test/workflow/', ...rest], { PLEIN_AIR_TEST_CACHED_WORKFLOWS: '0' });

async function runJest(name, tests, more = {}) {
  const report = join(scratch, `${name}.json`);
  const args = [module('jest/bin/jest.js'), '--maxWorkers=2', '--json', `--outputFile=${report}`, ...tests];
  const env = {
    NODE_OPTIONS: '--experimental-vm-modules --disable-warning=ExperimentalWarning',
    OMP_NUM_THREADS: '1',
    ...more,
  };
  const code = await run(name, process.execPath, args, { env });
  const counts = readCounts(() => {
    const { numPassedTests, numFailedTests, numRuntimeErrorTestSuites, testResults } = JSON.parse(
      readFileSync(report, 'utf8'),
    );
    for (const file of testResults)
      for (const test of file.assertionResults)
        if (test.status === 'failed') failedTests.push(`${name}: ${file.name}: ${test.fullName}`);
    return [numPassedTests, numFailedTests + numRuntimeErrorTestSuites];
  });
  settle(name, code, counts);
}

async function pytest() {
  const report = join(scratch, 'pytest.xml');
  const args = [
    '-m',
    'pytest',
    '-q',
    '--no-header',
    `--junitxml=${report}`,
    join(gpuWorker, 'tests'),
    ...(chosen?.pytest ?? []),
    ...rest,
  ];
  const env = { PYTHONPATH: join(gpuWorker, 'src'), OMP_NUM_THREADS: '1', HF_HUB_OFFLINE: '1' };
  const code = await run('pytest', venv('python'), args, { cwd: gpuWorker, env });
  const counts = readCounts(() => {
    const text = readFileSync(report, 'utf8');
    const attribute = (name) => Number(new RegExp(`<testsuite[^>]*\\b${name}="(\\d+)"`).exec(text)?.[1] ?? 0);
    const bad = attribute('failures') + attribute('errors');
    return [attribute('tests') - bad - attribute('skipped'), bad];
  });
  settle('pytest', code, counts);
}

function readCounts(read) {
  try {
    return read();
  } catch {
    return [0, 1];
  }
}

/** A runner that failed without a failed test, or that ran none, is a failure all the same. */
function settle(name, code, [ok, bad]) {
  count(name, ok, bad === 0 && (code !== 0 || ok === 0) ? 1 : bad);
}

const SUITES = { lint: checks, jest, uncached, pytest };
if (only !== null && !(only in SUITES)) {
  process.stderr.write(`--only: expected one of ${Object.keys(SUITES).join(', ')}, got ${only}\n`);
  process.exit(2);
}
try {
  chosen = phase === null ? null : testsOf(phase);
} catch (error) {
  process.stderr.write(`${error.message}\n`);
  process.exit(2);
}
try {
  await setUp({ dev: true });
} catch (error) {
  process.stderr.write(`set-up: ${error.message}\n0 passed, 1 failed\n`);
  process.exit(1);
}
const skipped = (name) =>
  (only !== null && only !== name) || (chosen !== null && (chosen[name] ?? null) === null);
for (const [name, suite] of Object.entries(SUITES)) if (!skipped(name)) await suite();
rmSync(scratch, { recursive: true, force: true });
const failed = failures.reduce((sum, [, bad]) => sum + bad, 0);
for (const name of failedTests) process.stdout.write(`failed: ${name}\n`);
for (const [name, bad] of failures) process.stdout.write(`${name}: ${bad} failed\n`);
process.stdout.write(`\n${passed} passed, ${failed} failed\n`);
process.exitCode = failed === 0 ? 0 : 1;
