import { afterEach, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { lookAtFolder } from '../../../src/wikiart/import-source.ts';
import { type Files, Folders, jpeg, utf16 } from './folder-fixture.ts';

const folders = new Folders();
afterEach(() => folders.remove());

const FOLDERS = [
  '',
  'train/',
  'validation/',
  'Impressionism/',
  'Cubism/claude-monet/',
  '10_my words/',
  '.hidden/',
  'a b/\u00e9te\u0301/',
  '__MACOSX/',
];
const STEMS = [
  '0',
  '1',
  'IMG_2',
  'claude-monet_lilies-1916',
  '\u00c9t\u00e9',
  'E\u0301te\u0301',
  'with "quotes", and commas',
  '\u{1f3a8}',
  '._0',
  'metadata',
  'x'.repeat(120),
];
const ENDINGS = [
  '.jpg',
  '.JPG',
  '.jpeg',
  '.png',
  '.heic',
  '.bmp',
  '.txt',
  '.caption',
  '.jpg.txt',
  '.jsonl',
  '.csv',
  '.json',
  '.zip',
  '.mp4',
  '',
];
const CONTENTS = [
  'picture',
  'heic',
  'bmp',
  'nothing',
  'text',
  'utf-16',
  'latin-1',
  'a table',
  'json lines',
] as const;

/** Files of any name with any content below any folder; names are as often wrong about what they name as right. */
const anyFolder = fc.uniqueArray(
  fc.record({
    folder: fc.constantFrom(...FOLDERS),
    stem: fc.constantFrom(...STEMS),
    ending: fc.oneof({ weight: 3, arbitrary: fc.constant('.jpg') }, fc.constantFrom(...ENDINGS)),
    content: fc.oneof(
      { weight: 3, arbitrary: fc.constant('picture' as const) },
      fc.constantFrom(...CONTENTS),
    ),
  }),
  { maxLength: 14, selector: ({ folder, stem, ending }) => `${folder}${stem}${ending}` },
);

const ROWS = STEMS.slice(0, 4).map((stem) => ({
  file_name: `${stem}.jpg`,
  style: 'Impressionism',
  text: 'a boat',
}));
const BYTES: Record<Exclude<(typeof CONTENTS)[number], 'picture'>, Uint8Array | string> = {
  heic: Buffer.from('\0\0\0\x18ftypheic\0\0\0\0mif1heic', 'latin1'),
  bmp: `BM${'\0'.repeat(60)}`,
  nothing: '',
  text: 'a river with boats, [trigger]',
  'utf-16': utf16('a river'),
  'latin-1': Buffer.from('C\xe9zanne', 'latin1'),
  'a table': 'file_name;style\n0.jpg;Impressionism\n',
  'json lines': ROWS.map((row) => `${JSON.stringify(row)}\n`).join(''),
};

it('puts every file of any folder into exactly one line of the table, and takes no picture twice', async () => {
  const picture = await jpeg(3);
  await fc.assert(
    fc.asyncProperty(anyFolder, fc.option(fc.constantFrom('Impressionism', 'mine')), async (list, style) => {
      const files: Files = {};
      for (const { folder, stem, ending, content } of list)
        files[`${folder}${stem}${ending}`] = content === 'picture' ? picture : BYTES[content];
      const source = await lookAtFolder(await folders.make(files), { style });
      expect(source.lines.flatMap((line) => line.files).sort()).toEqual(Object.keys(files).sort());
      if (!('pictures' in source.content)) throw new Error('expected pictures');
      const paths = source.content.pictures.map(({ path }) => path);
      expect(new Set(paths).size).toBe(paths.length);
      const taken = source.lines.filter(({ taken, what }) => taken && what.startsWith('pictures'));
      expect(paths.sort()).toEqual(taken.flatMap((line) => line.files).sort());
      for (const { style: label } of source.content.pictures) expect(label).not.toBe('');
      expect(source.wanted > 0 || source.hasOthers || source.problems.length > 0 || paths.length === 0).toBe(
        true,
      );
    }),
    { numRuns: 60 },
  );
});
