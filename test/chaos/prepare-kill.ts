/**
 * kill -9 of a pipeline worker at random moments of a preparation, another one started in an empty folder each time, until
 * the dataset is there; its bytes must equal those of a preparation that nobody disturbed:
 *
 *   npm run build && node scripts/ts.mjs test/chaos/prepare-kill.ts [kills] [seed] [images]
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { closeConnections } from '../../src/cli/connect.ts';
import { seeded } from '../local-hub/random.ts';
import { killAmongPreparations, seedGenerated } from './lib/kill-preparation.ts';
import { PreparationStand } from './lib/preparation-stand.ts';

const [kills = 20, seed = 1, images = 480] = process.argv.slice(2).map(Number);
const random = seeded(seed);
const folder = await mkdtemp(join(tmpdir(), 'plein-air-kill-'));
const stand = await PreparationStand.start(join(folder, 'stack'));
let problems = 0;
try {
  const source = await seedGenerated(stand, {
    ...{ name: 'killed', folder: join(folder, 'source'), seed: 900 + seed, images, shards: 8 },
  });
  let worker = await stand.worker();
  const whole = await stand.prepare({ source });
  console.log(`undisturbed: ${whole.seconds.toFixed(1)} s, ${whole.manifest.images.train} training pictures`);
  problems = await killAmongPreparations({
    stand,
    dataset: { source },
    undisturbed: whole,
    kills,
    // A worker needs some seconds to come up: most kills hit it at work, some while it starts.
    pauseMs: () => 1000 + random.int(9000),
    async kill() {
      await worker.kill();
      worker = await stand.worker();
    },
  });
} finally {
  await closeConnections();
  await stand.stop();
  await rm(folder, { recursive: true, force: true });
}
if (problems > 0) process.exitCode = 1;
