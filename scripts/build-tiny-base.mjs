/**
 * Paints the training pictures and trains the tiny FLUX base on them:
 * `npm run build:tiny-base -- [--minutes 60] [--out gpu-worker/tiny-base] [--stages FOLDER]`.
 * The same seeds give the same bytes on one kind of machine. `--stages` keeps the state, so that a run that was cut off goes on.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { setUp } from './setup.mjs';

/** What the shipped base was trained on. */
const TRAINING_SET = { seed: 20, count: 4300, size: 128 };

const root = fileURLToPath(new URL('..', import.meta.url));
const { values } = parseArgs({
  options: {
    minutes: { type: 'string' },
    out: { type: 'string', default: join(root, 'gpu-worker', 'tiny-base') },
    stages: { type: 'string' },
    grid: { type: 'string', default: join(root, 'docs', 'images', 'tiny-base.png') },
  },
});

await setUp();
const { writeTrainingSet } = await import('../dist/wikiart/generated/training-set.js');
const pictures = mkdtempSync(join(tmpdir(), 'tiny-base-pictures-'));
let status = 1;
try {
  process.stderr.write(`painting ${TRAINING_SET.count} pictures of ${TRAINING_SET.size} px\n`);
  await writeTrainingSet(pictures, TRAINING_SET);
  status = train();
} finally {
  rmSync(pictures, { recursive: true, force: true });
}
process.exitCode = status;

function train() {
  const python = join(
    root,
    'gpu-worker',
    '.venv',
    process.platform === 'win32' ? 'Scripts/python' : 'bin/python',
  );
  const options = ['--pictures', pictures, '--out', resolve(values.out), '--grid', resolve(values.grid)];
  if (values.minutes !== undefined) options.push('--minutes', values.minutes);
  if (values.stages !== undefined) options.push('--stages', resolve(values.stages));
  const run = spawnSync(python, ['-m', 'plein_air.tiny_base', ...options], {
    stdio: 'inherit',
    env: { ...process.env, PYTHONPATH: join(root, 'gpu-worker', 'src'), OMP_NUM_THREADS: '1' },
  });
  if (run.error) throw run.error;
  return run.status ?? 1;
}
