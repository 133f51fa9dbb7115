import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  type LatentCache,
  latentCache,
  restoreLatents,
  whileSharing,
} from '../../../src/activities/train/latent-cache.ts';
import { CommitRef } from '../../../src/domain/refs.ts';
import { connectHub } from '../../../src/hub/client.ts';
import type { Hub } from '../../../src/hub/hub.ts';
import { type HubInTest, startHubInTest, TOKEN } from '../../local-hub/hub-in-test.ts';

let root: string;
let server: HubInTest;
let hub: Hub;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'latents-'));
  server = await startHubInTest();
  hub = connectHub({ endpoint: server.url, accessToken: TOKEN });
});
afterAll(async () => {
  await server.stop();
  await rm(root, { recursive: true, force: true });
});

const signal = new AbortController().signal;
const at = (repo: string, type: 'model' | 'dataset') =>
  CommitRef.parse({ type, repo: `plein-air/${repo}`, commit: 'a'.repeat(40) });
/** The cache of a dataset on a machine. */
const cacheOn = (machine: string, dataset: string): LatentCache =>
  latentCache({
    ...{ hub, namespace: 'plein-air', workDir: join(root, machine), resolution: 64 },
    ...{ base: at('base', 'model'), dataset: at(dataset, 'dataset') },
  });
const restore = (cache: LatentCache) => restoreLatents(cache, { signal, onProgress: () => undefined });
/** Writes a pack as the trainer does: named by its bytes. */
async function pack(folder: string): Promise<string> {
  const bytes = randomBytes(300);
  const name = `pack-${createHash('sha256').update(bytes).digest('hex')}.safetensors`;
  await writeFile(join(folder, name), bytes);
  return name;
}
const hears = (cache: LatentCache) => hub.list(cache.repo, 'main', 'packs').catch(() => []);

describe('packs of latents', () => {
  it('are on the Hub while more are still being encoded, and the next machine encodes none of them again', async () => {
    const cache = cacheOn('first', 'pictures');
    const { packs, shared } = await restore(cache);
    const told: number[] = [];
    const p = { shared, signal, log: () => undefined, onShared: (n: number) => told.push(n), everyMs: 5 };
    const written: string[] = [];
    await whileSharing(cache, p, async () => {
      for (let n = 1; n <= 3; n++) {
        written.push(await pack(packs));
        // The machine is still encoding: nothing but the clock can have put it there.
        while ((await hears(cache)).length < n) await new Promise(setImmediate);
      }
    });
    expect(told).toEqual([1, 2, 3]);
    const second = await restore(cacheOn('second', 'pictures'));
    expect([...second.shared].sort()).toEqual(written.map((name) => `packs/${name}`).sort());
  }, 30_000);

  it('that a failed or stopped encoding left are shared before it ends, and its error stays', async () => {
    const cache = cacheOn('stopped', 'others');
    const { packs, shared } = await restore(cache);
    const gone = new AbortController();
    const p = { shared, signal: gone.signal, log: () => undefined, onShared: () => undefined };
    const working = whileSharing(cache, p, async () => {
      await pack(packs);
      gone.abort(new Error('WORKER_SHUTDOWN'));
      throw new Error('Stopped');
    });
    await expect(working).rejects.toThrow('Stopped');
    expect(await hears(cache)).toHaveLength(1);
  });

  it('cost this machine nothing where the Hub takes none', async () => {
    const down = { ...hub, commit: () => Promise.reject(new Error('503')) };
    const cache = { ...cacheOn('alone', 'third'), hub: down };
    const { packs, shared } = await restore(cache);
    const log: string[] = [];
    const p = { shared, signal, onShared: () => undefined, log: (line: string) => log.push(line) };
    expect(await whileSharing(cache, p, async () => pack(packs))).toMatch(/^pack-/);
    expect(log).toEqual(['latents were not shared: Error: 503']);
  });
});
