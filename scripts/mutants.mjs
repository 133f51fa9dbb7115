/**
 * Plants single faults in the code, one at a time, and counts those that no test notices:
 * `npm run mutants -- [--room NAME] [--files A,B] [--changed [BASE]] [--json FILE]`. Without options: every room, hours.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, matchesGlob } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { ROOMS } from './mutants/rooms.mjs';
import { setUp } from './setup.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const { values } = parseArgs({
  options: {
    room: { type: 'string', multiple: true },
    files: { type: 'string' },
    changed: { type: 'boolean', default: false },
    base: { type: 'string', default: 'origin/main' },
    json: { type: 'string' },
  },
});
const unknown = (values.room ?? []).filter((name) => !(name in ROOMS));
if (unknown.length > 0) {
  process.stderr.write(
    `--room: expected one of ${Object.keys(ROOMS).join(', ')}, got ${unknown.join(', ')}\n`,
  );
  process.exit(2);
}

/** Files that differ from the base, as git names them; null: no restriction. */
function chosenFiles() {
  if (values.files !== undefined) return values.files.split(',');
  if (!values.changed) return null;
  const { status, stdout, stderr } = spawnSync(
    'git',
    ['diff', '--name-only', '--diff-filter=d', `${values.base}...`],
    { cwd: root, encoding: 'utf8' },
  );
  if (status !== 0) throw new Error(`expected a base to compare with (--base), got: ${stderr.trim()}`);
  return stdout.split('\n').filter(Boolean);
}

/** Whether a room's patterns name a file, or lines of it as `path:3-9`; one with `!` takes it out again. */
function isIn(file, patterns) {
  const path = file.replace(/:\d.*$/, '');
  const named = patterns.filter((p) => !p.startsWith('!')).some((p) => matchesGlob(path, p));
  return named && !patterns.some((p) => p.startsWith('!') && matchesGlob(path, p.slice(1)));
}

const isPattern = (path) => path.endsWith('.ts');
const pattern = (path) => (isPattern(path) ? `<rootDir>/${path}` : `<rootDir>/${path}/**/*.test.ts`);

/** One room by Stryker; every mutant that ran as `{ file, line, what, killed }`. */
function byStryker({ mutate, tests }, files) {
  const chosen = files === null ? mutate : files.filter((file) => isIn(file, mutate));
  if (chosen.length === 0) return [];
  const scratch = mkdtempSync(join(tmpdir(), 'mutants-'));
  const report = join(scratch, 'report.json');
  const config = {
    testRunner: 'jest',
    plugins: ['@stryker-mutator/jest-runner'],
    coverageAnalysis: 'perTest',
    mutate: chosen,
    // Texts are for people, and schemas are made once at import: their mutants would each need a fresh process.
    mutator: { excludedMutations: ['StringLiteral'] },
    ignoreStatic: true,
    concurrency: 1,
    timeoutMS: 60_000,
    reporters: ['json', 'progress-append-only'],
    jsonReporter: { fileName: report },
    tempDirName: join(scratch, 'sandbox'),
    // Stryker reads it with an API that TypeScript 7 does not have.
    tsconfigFile: 'none.json',
    ignorePatterns: ['.tools', '.plein-air', 'gpu-worker/.venv', 'test/hub-conformance/.venv'],
    jest: {
      configFile: 'jest.config.mjs',
      config: {
        testMatch: tests.filter((path) => !path.startsWith('!')).map(pattern),
        testPathIgnorePatterns: tests.filter((path) => path.startsWith('!')).map((path) => path.slice(1)),
      },
    },
    disableTypeChecks: false,
  };
  const file = join(scratch, 'stryker.config.json');
  writeFileSync(file, JSON.stringify(config));
  const flags = '--experimental-vm-modules --disable-warning=ExperimentalWarning';
  const { status } = spawnSync(
    process.execPath,
    [join(root, 'node_modules/@stryker-mutator/core/bin/stryker.js'), 'run', file],
    { cwd: root, stdio: ['ignore', 'inherit', 'inherit'], env: { ...process.env, NODE_OPTIONS: flags } },
  );
  if (!existsSync(report)) throw new Error(`expected a report of Stryker, got exit code ${status} and none`);
  const found = JSON.parse(readFileSync(report, 'utf8'));
  rmSync(scratch, { recursive: true, force: true });
  return Object.entries(found.files).flatMap(([path, { source, mutants }]) =>
    mutants
      .filter(({ status }) => !['Ignored', 'CompileError', 'RuntimeError'].includes(status))
      .map(({ location, replacement, mutatorName, status }) => ({
        file: path,
        line: location.start.line,
        what: `${mutatorName}: ${textAt(source, location)} -> ${oneLine(replacement ?? '')}`,
        killed: status === 'Killed' || status === 'Timeout',
      })),
  );
}

function textAt(source, { start, end }) {
  const lines = source.split('\n').slice(start.line - 1, end.line);
  const last = lines.length - 1;
  lines[last] = lines[last].slice(0, end.column - 1);
  lines[0] = lines[0].slice(start.column - 1);
  return oneLine(lines.join(' '));
}

const oneLine = (text) => text.replace(/\s+/g, ' ').slice(0, 100);

/** One room of the trainer by `gpu-worker/mutants.py`. */
function byPython({ mutate }, files) {
  const inside = (file) => mutate.some((folder) => file.startsWith(`gpu-worker/src/plein_air/${folder}/`));
  const chosen = files === null ? mutate : files.filter(inside);
  if (chosen.length === 0) return [];
  const scratch = mkdtempSync(join(tmpdir(), 'mutants-'));
  const report = join(scratch, 'report.json');
  spawnSync(join(root, 'gpu-worker/.venv/bin/python'), ['mutants.py', '--json', report, ...chosen], {
    cwd: join(root, 'gpu-worker'),
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, PYTHONPATH: 'src', OMP_NUM_THREADS: '1', HF_HUB_OFFLINE: '1' },
  });
  if (!existsSync(report)) throw new Error('expected a report of gpu-worker/mutants.py, got none');
  const found = JSON.parse(readFileSync(report, 'utf8'));
  rmSync(scratch, { recursive: true, force: true });
  return found;
}

await setUp({ dev: true });
const files = chosenFiles();
// A file of two rooms is tried once, with the nearer tests.
const names = values.room ?? Object.keys(ROOMS).filter((name) => name !== 'domain' || files === null);
const results = {};
for (const name of names) {
  process.stdout.write(`\n=== ${name}\n`);
  const started = Date.now();
  const room = ROOMS[name];
  const found = room.runner === 'stryker' ? byStryker(room, files) : byPython(room, files);
  const seconds = Math.round((Date.now() - started) / 1000);
  results[name] = { tried: found.length, killed: found.filter((m) => m.killed).length, seconds, found };
}
for (const [name, { tried, killed, seconds, found }] of Object.entries(results)) {
  const score =
    tried === 0 ? 'nothing to try' : `${killed} of ${tried} (${Math.round((100 * killed) / tried)} %)`;
  process.stdout.write(`\n${name}: ${score} in ${seconds} s\n`);
  for (const { file, line, what } of found.filter((m) => !m.killed))
    process.stdout.write(`  ${file}:${line} ${what}\n`);
}
if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(results, null, 1)}\n`);
