import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { MeasuredImage } from '../../../src/domain/dataset/record.ts';
import { type TrueRow, writeGeneratedWikiArt } from '../../../src/wikiart/synthetic/dataset.ts';
import type { Defect } from '../../../src/wikiart/synthetic/plan.ts';
import { REASONS, REPAIRS } from '../../wikiart/planted-defects.ts';
import { type DatasetInTest, startDatasetInTest } from '../dataset-in-test.ts';

/** A seed that nothing was tuned on. */
const SEED = 52_417;

let world: DatasetInTest;
let truth: TrueRow[];
const dropped = new Map<string, string>();
const measured = new Map<string, MeasuredImage>();
const sourceOf = (row: TrueRow) => `${row.file}:${row.row}`;

beforeAll(async () => {
  world = await startDatasetInTest();
  const folder = join(world.folder, 'generated');
  const { files } = await writeGeneratedWikiArt(folder, { seed: SEED, images: 300, shards: 2 });
  truth = JSON.parse(await readFile(join(folder, 'truth.json'), 'utf8')).rows;
  const contents = files
    .filter((path) => path !== 'truth.json')
    .map(async (path) => ({ path, content: await readFile(join(folder, path)) }));
  const context = await world.seed('generated', await Promise.all(contents));
  const prepared = await world.prepare(context());
  for (const { source, reason } of await world.dropped(prepared)) dropped.set(source, reason);
  const lines = await world.hub.read(prepared.dataset, prepared.dataset.commit, 'measures.jsonl');
  for (const line of (lines?.toString('utf8') ?? '').trim().split('\n')) {
    const image = MeasuredImage.parse(JSON.parse(line));
    measured.set(image.source, image);
  }
}, 240_000);

afterAll(() => world.close());

it('drops every planted defect of the generated WikiArt for its reason, and nothing else', () => {
  const wrong: string[] = [];
  for (const row of truth.filter(({ style }) => style === 'Impressionism')) {
    // Of two identical files either may go.
    const copy = truth.find((t) => t.defect === 'exact-duplicate' && (t === row || t.copyOf === row.index));
    if (copy !== undefined) {
      const pair = [sourceOf(copy), sourceOf(truth[copy.copyOf as number] as TrueRow)];
      const reasons = pair.map((source) => dropped.get(source)).filter((reason) => reason !== undefined);
      if (reasons.join() !== 'exact-duplicate')
        wrong.push(`${pair.join(' and ')}: ${reasons.join() || 'both kept'}`);
      continue;
    }
    const expected = REASONS[row.defect as Defect];
    const got = dropped.get(sourceOf(row));
    if (got !== expected) wrong.push(`${sourceOf(row)} (${row.defect}): expected ${expected}, got ${got}`);
  }
  expect(wrong).toEqual([]);
});

it('mends frames, rotation, CMYK and transparency instead of dropping them', () => {
  const unmended: string[] = [];
  for (const row of truth.filter(({ style }) => style === 'Impressionism')) {
    const repair = REPAIRS[row.defect as Defect];
    const image = measured.get(sourceOf(row));
    if (repair !== undefined && image?.repairs.includes(repair as never) !== true)
      unmended.push(sourceOf(row));
    if (repair === undefined && image !== undefined && image.repairs.length > 0) unmended.push(sourceOf(row));
  }
  expect(unmended).toEqual([]);
});
