import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { pythonPath, readEnvironment } from '../../src/config/env.ts';
import { PROJECT } from '../../src/config/paths.ts';
import { RepoId } from '../../src/domain/refs.ts';
import type { Hub } from '../../src/hub/hub.ts';
import { upload } from '../activities/training-stand.ts';

/** Runs a few lines of Python with the tests' own modules. */
export async function python(lines: string, args: string[]): Promise<void> {
  await execa(pythonPath(readEnvironment()), ['-c', lines, ...args], {
    env: { PYTHONPATH: join(PROJECT, 'gpu-worker', 'tests'), OMP_NUM_THREADS: '1', HF_HUB_OFFLINE: '1' },
  });
}

/** Puts small models of the real classes, in the real repositories' layout and under their real ids, on a Hub. */
export async function seedRealLayout(hub: Hub, folder: string): Promise<void> {
  await python(
    'import real_layout, sys; from pathlib import Path; real_layout.write_all(Path(sys.argv[1]))',
    [folder],
  );
  for (const owner of await readdir(folder))
    for (const name of await readdir(join(folder, owner)))
      await upload(hub, { type: 'model', repo: RepoId.parse(`${owner}/${name}`) }, join(folder, owner, name));
}
