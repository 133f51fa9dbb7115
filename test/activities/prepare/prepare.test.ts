import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import sharp from 'sharp';
import { rebuildDatasetCard } from '../../../src/activities/document/rebuild-dataset-card.ts';
import type { PreparedDataset } from '../../../src/domain/dataset/prepared-dataset.ts';
import { LEAK_BITS } from '../../../src/domain/dataset/split.ts';
import type { RunContext } from '../../../src/domain/run/context.ts';
import type { Hub } from '../../../src/hub/hub.ts';
import { readDatasetRows } from '../../../src/wikiart/dataset-rows.ts';
import { type WikiArtRow, wikiArtParquet } from '../../wikiart/parquet-in-test.ts';
import { type DatasetInTest, startDatasetInTest } from '../dataset-in-test.ts';
import { soundRow, soundRows } from '../source-in-test.ts';

const ROWS = 64;
const PYTHON = join(process.cwd(), 'gpu-worker/.venv/bin/python');

let world: DatasetInTest;
let context: (config?: Record<string, unknown>) => RunContext;
let rows: WikiArtRow[];
let prepared: PreparedDataset;

beforeAll(async () => {
  world = await startDatasetInTest();
  rows = await soundRows(ROWS);
  await plantDefects(rows);
  context = await world.seed('small-wikiart', shardsOf(rows));
  prepared = await world.prepare(context({ dataset: { neighborsPerStyle: 5 } }));
}, 240_000);

afterAll(() => world.close());

/** Rows 0, 1, 3, 4, 6, 7, 9 and 10 are Impressionism. */
async function plantDefects(all: WikiArtRow[]): Promise<void> {
  const bytesOf = (at: number) => (all[at] as WikiArtRow).bytes as Uint8Array;
  const change = (at: number, bytes: Uint8Array | null) => {
    all[at] = { ...(all[at] as WikiArtRow), bytes };
  };
  change(0, bytesOf(0).slice(0, bytesOf(0).length / 2));
  change(1, null);
  change(3, await sharp(bytesOf(3)).resize(90, 80).jpeg().toBuffer());
  change(4, await sharp(bytesOf(4)).grayscale().jpeg().toBuffer());
  change(6, bytesOf(7));
  change(9, await sharp(bytesOf(10)).resize(170).jpeg({ quality: 70 }).toBuffer());
}

function shardsOf(all: readonly WikiArtRow[]) {
  const half = Math.ceil(all.length / 2);
  return [0, 1].map((shard) => ({
    path: `data/train-0000${shard}-of-00002.parquet`,
    content: wikiArtParquet(all.slice(shard * half, (shard + 1) * half), { groupRows: 8 }),
  }));
}

const source = (row: number) =>
  `data/train-0000${row < ROWS / 2 ? 0 : 1}-of-00002.parquet:${row % (ROWS / 2)}`;

describe('prepare', () => {
  it('keeps or drops every row of the source, each counted once', async () => {
    const manifest = await world.manifest(prepared);
    const total = (counts: Record<string, number>) => Object.values(counts).reduce((a, b) => a + b, 0);
    expect(manifest.rows).toBe(ROWS);
    expect(total(manifest.images) + total(manifest.dropped)).toBe(ROWS);
  });

  it('drops each broken picture for its own reason and nothing else', async () => {
    const dropped = (await world.dropped(prepared)).map((d) => [d.source, d.reason]);
    expect(dropped).toEqual([
      [source(0), 'corrupt'],
      [source(1), 'corrupt'],
      [source(3), 'too-small'],
      [source(4), 'grayscale'],
      [source(7), 'exact-duplicate'],
      [source(9), 'near-duplicate'],
    ]);
  });

  it('puts no near-duplicate pair into two splits', async () => {
    const { nearestCrossSplit } = await world.manifest(prepared);
    expect(nearestCrossSplit?.bits ?? 64).toBeGreaterThan(LEAK_BITS);
  });

  it('keeps pictures of other styles out of every split but neighbors', async () => {
    const styles: Record<string, Set<string>> = {};
    for (const split of ['train', 'held_out', 'test', 'neighbors'] as const)
      styles[split] = new Set(
        (await readDatasetRows({ ...world, dataset: prepared.dataset, split })).map((row) => row.style),
      );
    expect(styles).toEqual({
      train: new Set(['Impressionism']),
      held_out: new Set(['Impressionism']),
      test: new Set(['Impressionism']),
      neighbors: new Set(['Cubism']),
    });
  });

  it('captions pictures by genre with the trigger phrase at the end', async () => {
    const train = await readDatasetRows({ ...world, dataset: prepared.dataset, split: 'train' });
    expect(new Set(train.map((row) => row.caption))).toEqual(
      new Set([
        'a cityscape painting, plnr impressionism',
        'a landscape painting, plnr impressionism',
        'a portrait painting, plnr impressionism',
        'a still life painting, plnr impressionism',
      ]),
    );
  });

  it('lets no portrait be mirrored', async () => {
    const train = await readDatasetRows({ ...world, dataset: prepared.dataset, split: 'train' });
    const mirrored = train.filter((row) => row.flip_allowed);
    expect(mirrored.length).toBeGreaterThan(0);
    expect(mirrored.map((row) => row.genre)).not.toContain('portrait');
  });

  it('answers from the Hub when the same dataset is asked for again, and reads nothing', async () => {
    let ranges = 0;
    const counting = {
      ...world.hub,
      readRange: (...p: Parameters<typeof world.hub.readRange>) => {
        ranges += 1;
        return world.hub.readRange(...p);
      },
    };
    const again = await world.prepare(context({ dataset: { neighborsPerStyle: 5 } }), { hub: counting });
    expect(again).toEqual({ ...prepared, cached: true });
    expect(ranges).toBe(0);
  });

  it('shows pictures and plots that lie beside its card', async () => {
    const { dataset } = prepared;
    const read = async (path: string) =>
      (await world.hub.read(dataset, dataset.commit, path))?.toString() ?? '';
    const shown = [...(await read('README.md')).matchAll(/!\[[^\]]*\]\((?<path>[^)]+)\)/g)].map(
      (found) => found.groups?.path ?? '',
    );
    expect(shown).toEqual([
      'preview/kept.png',
      'preview/genres.svg',
      'preview/artists.svg',
      'preview/short-sides.svg',
      'preview/left-out.svg',
      'preview/dropped.png',
    ]);
    expect(await Promise.all(shown.map(read))).not.toContain('');
    const leftOut = await read('preview/left-out.svg');
    expect(leftOut).toMatch(/^<svg[\s\S]*near-duplicate/);
    expect(leftOut).not.toContain('other-style');
  });

  it('has a card that comes out the same, byte for byte, from what it stored', async () => {
    const { dataset } = prepared;
    const { source, config } = context();
    const card = await rebuildDatasetCard(world.hub, { dataset, source, config: config.dataset });
    expect(card).toBe((await world.hub.read(dataset, dataset.commit, 'README.md'))?.toString());
    expect(card).toContain('`#222222` corrupt');
  });

  it('makes a dataset of its own for other settings', async () => {
    const other = await world.prepare(context({ dataset: { neighborsPerStyle: 5, maxPerArtist: 2 } }));
    expect(other.dataset.repo).not.toBe(prepared.dataset.repo);
    expect(other.dropped['artist-cap']).toBeGreaterThan(0);
  });

  it('reads no row group without a wanted or neighboring row', async () => {
    const cubism: WikiArtRow[] = [];
    for (let i = 0; i < 24; i++) cubism.push(await soundRow(5000 + i, 'Cubism'));
    const mixed = [...cubism, ...rows.slice(12, 20)];
    const parquet = wikiArtParquet(mixed, { groupRows: 8 });
    const seeded = await world.seed('one-group', [
      { path: 'data/train-00000-of-00001.parquet', content: parquet },
    ]);
    const result = await world.prepare(seeded({ dataset: { neighborsPerStyle: 0 } }));
    const { bytesRead } = await world.manifest(result);
    const group = mixed.slice(24).reduce((sum, row) => sum + (row.bytes?.length ?? 0), 0);
    const footers = 2 * 16 * 1024;
    expect(bytesRead - footers).toBeLessThan(group * 1.05);
    expect(bytesRead).toBeGreaterThan(group);
  });

  it('says which styles there are when the one asked for is not among them', async () => {
    await expect(world.prepare(context({ dataset: { style: 'Realism' } }))).rejects.toThrow(
      'Expected pictures of style "Realism" in plein-air/small-wikiart, got only Cubism, Impressionism',
    );
  });

  it('writes the same bytes after being interrupted and starting again', async () => {
    const config = { dataset: { neighborsPerStyle: 4 } };
    await expect(
      world.prepare(context(config), {
        work: 'interrupted',
        onProgress: ({ stage, done }) => {
          if (stage === 'shard 1' && done === 10) throw new Error('killed');
        },
      }),
    ).rejects.toThrow('killed');
    let reads = 0;
    const counting = {
      ...world.hub,
      readRange: (...p: Parameters<typeof world.hub.readRange>) => {
        reads += 1;
        return world.hub.readRange(...p);
      },
    };
    const resumed = await world.prepare(context(config), { work: 'interrupted', hub: counting });
    const first = await world.manifest(resumed);
    // A different Hub repository would be needed to publish it twice; the same commit proves the same tree.
    await world.hub.commit({ repo: resumed.dataset, message: 'Forget', delete: ['manifest.json'] });
    const whole = await world.prepare(context(config), { work: 'whole' });
    expect(await world.manifest(whole)).toEqual(first);
    expect(reads).toBeLessThan(14);
  });

  it('ends with the dataset of another run that is done and has cleaned up while this one was at work', async () => {
    const config = { dataset: { neighborsPerStyle: 3 } };
    let quick: ReturnType<typeof world.prepare> | null = null;
    const hub: Hub = {
      ...world.hub,
      commit: async (request) => {
        if (request.message.startsWith('Shard')) {
          quick ??= world.prepare(context(config), { work: 'quick' });
          await quick;
        }
        return world.hub.commit(request);
      },
    };
    const late = await world.prepare(context(config), { work: 'late', hub });
    expect(quick).not.toBeNull();
    expect(late).toEqual({ ...(await (quick as unknown as ReturnType<typeof world.prepare>)), cached: true });
  });

  const withPython = existsSync(PYTHON) ? it : it.skip;
  withPython('opens with datasets.load_dataset, which decodes the pictures', async () => {
    const folder = join(world.folder, 'downloaded');
    await world.hub.download({ repo: prepared.dataset, commit: prepared.dataset.commit, toFolder: folder });
    const script = `
import json, sys
from datasets import load_dataset
d = load_dataset(sys.argv[1], cache_dir=sys.argv[2])
row = d["train"][0]
print(json.dumps({"rows": {k: v.num_rows for k, v in d.items()}, "size": list(row["image"].size), "mode": row["image"].mode, "bucket": [row["width"], row["height"]]}))`;
    const { stdout } = await promisify(execFile)(
      PYTHON,
      ['-c', script, folder, join(world.folder, 'cache')],
      {
        env: { PATH: '/usr/bin:/bin', HF_HUB_OFFLINE: '1', HF_HOME: join(world.folder, 'home') },
      },
    );
    const answer = JSON.parse(stdout);
    expect(answer.rows).toEqual(prepared.images);
    expect(answer.mode).toBe('RGB');
    expect(answer.size).toEqual(answer.bucket);
  });
});
