import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { writeGeneratedWikiArt } from '../../../src/wikiart/synthetic/dataset.ts';
import type { PreparationStand, Prepared } from './preparation-stand.ts';

/** Puts a generated WikiArt onto the stand's Hub, and returns its repository. */
export async function seedGenerated(
  stand: PreparationStand,
  p: { name: string; folder: string; seed: number; images: number; shards: number },
): Promise<string> {
  const { name, folder, ...options } = p;
  const { files } = await writeGeneratedWikiArt(folder, options);
  const pictures = files.filter((path) => path !== 'truth.json');
  return stand.seed(
    name,
    pictures.map((path) => ({ path, content: { file: join(folder, path) } })),
  );
}

/**
 * Makes the same dataset again and again, with a kill at every moment that `pause` comes to, until there were enough of them;
 * says of each whether its bytes are those of the undisturbed one, and returns how many are not.
 */
export async function killAmongPreparations(p: {
  stand: PreparationStand;
  dataset: Record<string, unknown>;
  undisturbed: Prepared;
  kills: number;
  /** Milliseconds of a preparation in which there is nothing to kill yet. */
  startMs?: number;
  pauseMs(): number;
  /** Kills a worker, and starts its successor. */
  kill(): Promise<void>;
}): Promise<number> {
  let [killed, others] = [0, 0];
  for (let run = 1; killed < p.kills; run++) {
    await p.stand.forget(p.undisturbed.result);
    const before = killed;
    const disturbed = await p.stand.prepare(p.dataset, async (isOver) => {
      await sleep(p.startMs ?? 0);
      while (!isOver() && killed < p.kills) {
        await sleep(p.pauseMs());
        if (isOver()) return;
        await p.kill();
        killed += 1;
      }
    });
    const equal = disturbed.files === p.undisturbed.files;
    if (!equal) others += 1;
    console.log(
      `run ${run}: ${killed - before} kills, ${disturbed.seconds.toFixed(1)} s, ${equal ? 'the same bytes' : 'OTHER BYTES'}`,
    );
  }
  console.log(`${killed} kills, ${others} datasets with other bytes`);
  return others;
}
