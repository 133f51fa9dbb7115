import { chmod, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { pythonPath, readEnvironment } from '../../src/config/env.ts';
import { PROJECT, PYTHON_PACKAGE } from '../../src/config/paths.ts';
import { workOf } from '../../src/domain/training/work.ts';
import { createTrainer } from '../../src/trainer/process.ts';
import { attempt, openStand, type Stand } from '../activities/training-stand.ts';

let stand: Stand;
beforeAll(async () => {
  stand = await openStand();
}, 200_000);
afterAll(() => stand.close());

it('the forecast counts the passes that a training makes: steps, held-out losses, validation images, views', async () => {
  const file = join(stand.root, 'passes.json');
  const python = join(stand.root, 'python');
  const counting = join(PROJECT, 'test', 'profiles', 'counting.py');
  await writeFile(
    python,
    `#!/bin/sh\nexec "${pythonPath(readEnvironment())}" "${counting}" "${file}" "$@"\n`,
  );
  await chmod(python, 0o755);
  const trainer = createTrainer({ python, packageFolder: PYTHON_PACKAGE, log: () => undefined });
  const request = stand.request('counted');
  const { config } = request.context;
  config.training = { ...config.training, steps: 7, accumulation: 8, heldOutEvery: 3, sampleEvery: 3 };
  config.evaluation = { ...config.evaluation, inferenceSteps: 3, size: 64 };
  try {
    await attempt(stand, request, { trainer }).result;
  } finally {
    await trainer.close();
  }
  const counted = JSON.parse(await readFile(file, 'utf8'));
  // `small_dataset`: 8 pictures without surplus, of which every fourth is never mirrored, and 2 held out.
  const work = workOf(config, {
    ...{ train: 8, heldOut: 2, unseen: 0, neighbors: 0, captions: 8, views: 1.75, basePainted: false },
  });
  expect(counted.trained).toBe(work.training.images);
  expect(counted.measured).toBe(work.heldOut.images + work.validation.images);
  expect(Math.abs(counted.encoded / work.views.images - 1)).toBeLessThanOrEqual(0.05);
}, 200_000);
