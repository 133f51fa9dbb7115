/**
 * kill -9 of a pipeline worker at random moments of a preparation, another one started in an empty folder each time, until
 * the dataset is there; its bytes must equal those of a preparation that nobody disturbed:
 *
 *   npm run build && node scripts/ts.mjs test/chaos/prepare-kill.ts [kills] [seed] [images]
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { closeConnections } from '../../src/cli/connect.ts';
import { writeGeneratedWikiArt } from '../../src/wikiart/generated/dataset.ts';
import { seeded } from '../local-hub/random.ts';
import { PreparationStand } from './preparation-stand.ts';

const [kills = 20, seed = 1, images = 480] = process.argv.slice(2).map(Number);
const random = seeded(seed);
const folder = await mkdtemp(join(tmpdir(), 'plein-air-kill-'));
const stand = await PreparationStand.start(join(folder, 'stack'));
let problems = 0;
try {
  const { files } = await writeGeneratedWikiArt(join(folder, 'source'), {
    seed: 900 + seed,
    images,
    shards: 8,
  });
  const source = await stand.seed(
    'killed',
    files
      .filter((path) => path !== 'truth.json')
      .map((path) => ({ path, content: { file: join(folder, 'source', path) } })),
  );
  let worker = await stand.worker();
  const whole = await stand.prepare({ source });
  console.log(`undisturbed: ${whole.seconds.toFixed(1)} s, ${whole.manifest.images.train} training pictures`);
  let killed = 0;
  for (let run = 1; killed < kills; run++) {
    await stand.forget(whole.result);
    const before = killed;
    const disturbed = await stand.prepare({ source }, async (isOver) => {
      while (!isOver() && killed < kills) {
        // A worker needs some seconds to come up: most kills hit it at work, some while it starts.
        await sleep(1000 + random.int(9000));
        if (isOver()) return;
        await worker.kill();
        killed += 1;
        worker = await stand.worker();
      }
    });
    const equal = disturbed.files === whole.files;
    if (!equal) problems += 1;
    console.log(
      `run ${run}: ${killed - before} kills, ${disturbed.seconds.toFixed(1)} s, ${equal ? 'the same bytes' : 'OTHER BYTES'}`,
    );
  }
  console.log(`${killed} kills, ${problems} datasets with other bytes`);
} finally {
  await closeConnections();
  await stand.stop();
  await rm(folder, { recursive: true, force: true });
}
if (problems > 0) process.exitCode = 1;
