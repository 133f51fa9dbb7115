import { execFileSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { lookAtFolder } from '../../../src/wikiart/import-source.ts';
import { Folders, jpegs } from './folder-fixture.ts';

const folders = new Folders();
let cases: string;

beforeAll(async () => {
  cases = await mkdtemp(join(tmpdir(), 'plein-air-parquet-'));
  const pictures = await folders.make(await jpegs(4));
  const program = resolve('test/wikiart/folder/write-parquet.py');
  execFileSync(resolve('gpu-worker/.venv/bin/python'), [program, cases, pictures]);
});
afterAll(async () => {
  await folders.remove();
  await rm(cases, { recursive: true, force: true });
});

const look = (name: string, style?: string) =>
  lookAtFolder(join(cases, name), style === undefined ? {} : { style });

describe('parquet files of other tools', () => {
  it.each(['gzip', 'zstd', 'brotli', 'lz4', 'upper-case', 'binary', 'style-only'])(
    'are read: %s',
    async (name) => {
      expect(await look(name)).toMatchObject({
        problems: [],
        wanted: 4,
        hasOthers: false,
        style: { name: 'Impressionism', from: 'the column style' },
      });
    },
  );

  it('with text and no style are of one style, with captions of their own', async () => {
    const source = await look('image-text', 'harbors');
    expect(source).toMatchObject({ problems: [], wanted: 4, captioned: 4, style: { name: 'harbors' } });
    expect(source.columns.style).toBeNull();
  });

  it('with a row without a style leave that one out, and say so', async () => {
    const source = await look('null-labels');
    expect(source).toMatchObject({ wanted: 3, hasOthers: false });
    expect(source.notes).toContain('1 rows without a style are left out');
  });

  it('with several styles take the one that is asked for, or the usual one', async () => {
    expect(await look('several-styles')).toMatchObject({
      wanted: 2,
      hasOthers: true,
      style: { name: 'Impressionism' },
    });
    expect(await look('several-styles', 'cubism')).toMatchObject({ problems: [], wanted: 1 });
    expect((await look('several-styles', 'Fauvism')).problems).toEqual([
      '--style: expected one of the styles in the column style, got "Fauvism": it has Cubism (1), Realism (1), Impressionism (2)',
    ]);
  });

  it.each([
    ['paths-only', /only paths in column image: embed the pictures/],
    ['lists', /several pictures in column image: one encoded picture a row is read/],
    ['other-names', /no pictures in column image.*It has picture, image, style/],
    ['no-rows', /expected rows in the parquet files below .*, got none/],
  ])('are refused: %s', async (name, problem) => {
    expect((await look(name)).problems).toEqual([expect.stringMatching(problem)]);
  });

  it('that are cut off are refused by name', async () => {
    const folder = await folders.make({ 'a.parquet': 'PAR1 and no more' });
    await writeFile(join(folder, 'b.parquet'), 'nor this');
    expect((await lookAtFolder(folder)).problems).toEqual([
      expect.stringMatching(/footer cannot be read \(a\.parquet/),
      expect.stringMatching(/footer cannot be read \(b\.parquet/),
    ]);
  });
});
