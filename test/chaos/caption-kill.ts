/**
 * kill -9 of the GPU worker, with its trainer, at random moments of captioning, another one started each time, until the
 * dataset is there; its bytes must equal those of a preparation that nobody disturbed. FOLDER gets the history of the first:
 *
 *   npm run build && node scripts/ts.mjs test/chaos/caption-kill.ts [kills] [seed] [images] [FOLDER]
 */
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { historyToJSON } from '@temporalio/common/lib/proto-utils.js';
import { execa } from 'execa';
import { closeConnections, connectClient } from '../../src/cli/connect.ts';
import { pythonPath, readEnvironment } from '../../src/config/env.ts';
import { PROJECT } from '../../src/config/paths.ts';
import { RepoId, type RepoRef } from '../../src/domain/refs.ts';
import { seeded } from '../local-hub/random.ts';
import { killAmongPreparations, seedGenerated } from './lib/kill-preparation.ts';
import { PreparationStand } from './lib/preparation-stand.ts';

const [kills = 8, seed = 1, images = 400] = process.argv.slice(2, 5).map(Number);
const histories = process.argv[5];
const random = seeded(seed);
const folder = await mkdtemp(join(tmpdir(), 'plein-air-caption-kill-'));
const dataDir = join(folder, 'stack');
const stand = await PreparationStand.start(dataDir);

/** A BLIP of two layers with random weights, on the Hub. */
async function seedCaptioner(): Promise<string> {
  const repo: RepoRef = { type: 'model', repo: RepoId.parse('plein-air/small-blip') };
  const program =
    'import sys, small_captioners as s; from pathlib import Path; s.blip(Path(sys.argv[1]), words=s.WORDS[:-2])';
  await execa(pythonPath(readEnvironment()), ['-c', program, join(folder, 'blip')], {
    env: { PYTHONPATH: join(PROJECT, 'gpu-worker', 'tests'), OMP_NUM_THREADS: '1', HF_HUB_OFFLINE: '1' },
  });
  const names = await readdir(join(folder, 'blip'));
  const files = names.map((path) => ({ path, content: { file: join(folder, 'blip', path) } }));
  await stand.hub.ensureRepo(repo);
  await stand.hub.commit({ repo, message: 'Upload', files });
  return repo.repo;
}

let problems = 0;
try {
  const source = await seedGenerated(stand, {
    ...{ name: 'captioned', folder: join(folder, 'source'), seed: 700 + seed, images, shards: 4 },
  });
  const dataset = { source, captioner: { repo: await seedCaptioner(), maxTokens: 24, batchSize: 4 } };
  await stand.worker();
  let gpu = stand.stack.startWorker('gpu');
  const whole = await stand.prepare(dataset);
  const { captions } = whole.manifest;
  console.log(`undisturbed: ${whole.seconds.toFixed(1)} s, ${JSON.stringify(captions)}`);
  if (histories !== undefined) {
    const client = await connectClient(dataDir);
    await mkdir(histories, { recursive: true });
    const history = await client.workflow.getHandle(whole.run).fetchHistory();
    await writeFile(join(histories, 'prepare.json'), historyToJSON(history));
  }
  problems = await killAmongPreparations({
    stand,
    dataset,
    undisturbed: whole,
    kills,
    // Until the shards are done the GPU worker has nothing to do.
    startMs: whole.seconds * 300,
    pauseMs: () => 1000 + random.int(20_000),
    async kill() {
      await gpu.kill();
      gpu = stand.stack.startWorker('gpu');
    },
  });
} finally {
  await closeConnections();
  await stand.stop();
  await rm(folder, { recursive: true, force: true });
}
if (problems > 0) process.exitCode = 1;
