import { chmod, mkdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from '@jest/globals';
import { type FolderSource, lookAtFolder } from '../../../src/wikiart/import-source.ts';
import { type Files, Folders, jpeg, jpegs, jsonLines, utf16 } from './folder-fixture.ts';

const folders = new Folders();
afterEach(() => folders.remove());

async function look(files: Files, style?: string): Promise<FolderSource> {
  return lookAtFolder(await folders.make(files), style === undefined ? {} : { style });
}

/** Pictures as they would be packed. */
function picturesOf(source: FolderSource) {
  if (!('pictures' in source.content)) throw new Error('expected pictures, got parquet files');
  return source.content.pictures;
}

const styled = (names: readonly string[]) =>
  jsonLines(names.map((file_name) => ({ file_name, style: 'Impressionism' })));
const NAMES = ['0.jpg', '1.jpg', '2.jpg', '3.jpg'];
/** How many files stand in lines that say so. */
const left = (source: FolderSource, what: string | RegExp) =>
  source.lines
    .filter((line) => !line.taken && line.what.match(what))
    .reduce((sum, { files }) => sum + files.length, 0);

describe('captions', () => {
  it('are text files beside the pictures; the folder itself names the style', async () => {
    const source = await look({
      ...(await jpegs(2)),
      '0.txt': 'a river\nwith boats\n',
      '1.caption': 'a house',
    });
    expect(source.problems).toEqual([]);
    expect(source.style.from).toBe('the name of the folder');
    expect(picturesOf(source).map(({ caption }) => caption)).toEqual(['a river with boats', 'a house']);
    expect(source.captioned).toBe(2);
  });

  it('lie in kohya folders, whose name is the trigger', async () => {
    const source = await look({
      ...(await jpegs(2, '10_plnr impressionism/')),
      '10_plnr impressionism/0.txt': 'a river at dawn',
    });
    expect(source).toMatchObject({
      problems: [],
      trigger: 'plnr impressionism',
      style: { name: 'plnr impressionism' },
      captioned: 1,
    });
    expect(source.notes.join()).toMatch(/repeats in folder names are not used/);
  });

  it.each(['caption', 'text', 'prompt', 'Text'])('are the column %s of the metadata', async (column) => {
    const rows = NAMES.map((file_name) => ({ file_name, [column]: 'a harbor at dawn, two boats' }));
    const source = await look({ ...(await jpegs(4)), 'metadata.jsonl': jsonLines(rows) }, 'seaside');
    expect(source).toMatchObject({ problems: [], captioned: 4, style: { name: 'seaside', from: '--style' } });
  });

  it('stand beside labels', async () => {
    const rows = NAMES.map((file_name) => ({ file_name, style: 'Impressionism', caption: 'a harbor' }));
    const source = await look({ ...(await jpegs(4)), 'metadata.jsonl': jsonLines(rows) });
    expect(source).toMatchObject({ problems: [], captioned: 4, style: { name: 'Impressionism' } });
  });

  it('are refused where two of them differ', async () => {
    const files = { ...(await jpegs(2)), '0.txt': 'a river', '0.caption': 'a mountain' };
    expect((await look(files)).problems).toEqual([
      expect.stringMatching(/0\.jpg: expected one caption, got different ones in 0\.caption and 0\.txt/),
    ]);
    const rows = jsonLines([
      { file_name: '0.jpg', caption: 'a river', text: 'a mountain' },
      { file_name: '1.jpg', caption: 'a lake' },
    ]);
    expect((await look({ ...(await jpegs(2)), 'metadata.jsonl': rows, '1.txt': 'a hill' })).problems).toEqual(
      [
        expect.stringMatching(/line 1: expected one caption, got different ones in caption and text/),
        expect.stringMatching(
          /1\.jpg: expected one caption, got different ones in metadata.jsonl line 2 and 1\.txt/,
        ),
      ],
    );
  });

  it('that are empty, or of no picture, have lines of their own', async () => {
    const source = await look({ ...(await jpegs(2)), '0.txt': ' \n', 'README.txt': 'hello' });
    expect(source.problems).toEqual([]);
    expect(left(source, 'caption files that are empty')).toBe(1);
    expect(left(source, 'without a picture of that name')).toBe(1);
  });

  it('in another encoding are refused with the line, not guessed', async () => {
    const source = await look({ ...(await jpegs(1)), '0.txt': Buffer.from([0x61, 0x0a, 0x43, 0xe9, 0x7a]) });
    expect(source.problems).toEqual([expect.stringMatching(/0\.txt: expected text in UTF-8.*line 2: save/)]);
  });
});

describe('metadata', () => {
  const read: [string, (names: string) => Files][] = [
    ['jsonl with a byte order mark', () => ({ 'metadata.jsonl': `\ufeff${styled(NAMES)}` })],
    ['jsonl in UTF-16', () => ({ 'metadata.jsonl': utf16(styled(NAMES)) })],
    [
      'csv in UTF-16 with tabs, as Excel saves it',
      (csv) => ({ 'metadata.csv': utf16(csv.replaceAll(',', '\t')) }),
    ],
    ['csv with semicolons', (csv) => ({ 'metadata.csv': csv.replaceAll(',', ';') })],
    [
      'csv with names in another case',
      (csv) => ({ 'metadata.csv': csv.replace('file_name,style', 'File_Name,Style') }),
    ],
    ['csv with the line ends of old Macs', (csv) => ({ 'metadata.csv': csv.replaceAll('\n', '\r') })],
    ['csv with blank last lines', (csv) => ({ 'metadata.csv': `${csv}\n , \n` })],
    [
      'jsonl with paths from the root',
      () => ({ 'metadata.jsonl': styled(NAMES.map((name) => `./${name}`)) }),
    ],
    ['jsonl with backslashes', () => ({ 'metadata.jsonl': styled(NAMES.map((name) => `.\\${name}`)) })],
    [
      'jsonl with names in another case',
      () => ({ 'metadata.jsonl': styled(NAMES.map((name) => name.toUpperCase())) }),
    ],
  ];
  it.each(read)('is %s', async (_, make) => {
    const csv = `file_name,style\n${NAMES.map((name) => `${name},Impressionism\n`).join('')}`;
    const source = await look({ ...(await jpegs(4)), ...make(csv) });
    expect(source).toMatchObject({
      problems: [],
      wanted: 4,
      style: { name: 'Impressionism', from: 'the metadata' },
    });
  });

  it('names pictures in another Unicode form', async () => {
    const picture = await jpeg(0);
    const source = await look({
      'E\u0301te\u0301.jpg': picture,
      'metadata.jsonl': styled(['\u00c9t\u00e9.jpg']),
    });
    expect(source).toMatchObject({ problems: [], wanted: 1 });
  });

  it('lies in the folders of the splits, as datasets has it', async () => {
    const source = await look({
      'train/a.jpg': await jpeg(0),
      'train/metadata.jsonl': styled(['a.jpg']),
      'validation/b.jpg': await jpeg(1),
      'validation/metadata.jsonl': styled(['b.jpg']),
    });
    expect(source).toMatchObject({ problems: [], wanted: 2, style: { name: 'Impressionism' } });
    expect(source.notes.join()).toMatch(/folders train, validation: all pictures are dealt anew/);
  });

  it('spells a style in several ways', async () => {
    const rows = ['impressionism', 'Impressionism ', 'IMPRESSIONISM', 'Impressionism'].map((style, at) => ({
      file_name: `${at}.jpg`,
      style,
    }));
    const source = await look({ ...(await jpegs(4)), 'metadata.jsonl': jsonLines(rows) });
    expect(source).toMatchObject({ problems: [], wanted: 4, hasOthers: false });
  });

  it('without a style for some pictures leaves those out, in a line of their own', async () => {
    const rows = [
      { file_name: '0.jpg', style: 'Cubism' },
      { file_name: '1.jpg', style: null },
    ];
    const source = await look({ ...(await jpegs(2)), 'metadata.jsonl': jsonLines(rows) }, 'cubism');
    expect(source).toMatchObject({ problems: [], wanted: 1 });
    expect(left(source, 'without a style')).toBe(1);
  });

  const refused: [string, Files, RegExp][] = [
    [
      'in Latin-1',
      { 'metadata.csv': Buffer.from('file_name,style,artist\n0.jpg,Cubism,C\xe9z\n', 'latin1') },
      /metadata\.csv: expected text in UTF-8.*line 2/,
    ],
    [
      'twice',
      { 'metadata.csv': 'file_name,style\n', 'metadata.jsonl': styled(NAMES) },
      /expected one metadata file in a folder, got metadata\.csv and metadata\.jsonl/,
    ],
    [
      'as one JSON file',
      { 'metadata.json': '[]' },
      /metadata\.json: expected metadata\.jsonl with one object a line/,
    ],
    [
      'with a row twice',
      { 'metadata.jsonl': styled([...NAMES, '0.jpg']) },
      /line 5: expected each picture once, got 0\.jpg again \(first in metadata\.jsonl line 1\)/,
    ],
    [
      'with a row of a picture that is not there',
      { 'metadata.jsonl': styled([...NAMES, 'gone.jpg']) },
      /line 5: expected a picture at gone\.jpg, got none/,
    ],
    [
      'that leads out of the folder',
      { 'metadata.jsonl': styled([...NAMES, '../0.jpg']) },
      /expected a path inside the folder/,
    ],
    [
      'that leaves pictures out',
      { 'metadata.jsonl': styled(NAMES.slice(1)) },
      /expected every picture in the metadata, got 1 that are not: 0\.jpg/,
    ],
    [
      'without a column that names pictures',
      { 'metadata.csv': 'name,style\n0.jpg,Cubism\n' },
      /expected a column file_name in the first line, got "name,style"/,
    ],
    [
      'that is no JSON',
      { 'metadata.jsonl': '\u200bnope\n' },
      /line 1: expected a JSON object, got "\\u200bnope"/,
    ],
  ];
  it.each(refused)('is refused %s', async (_, files, problem) => {
    expect((await look({ ...(await jpegs(4)), ...files })).problems).toEqual([
      expect.stringMatching(problem),
    ]);
  });

  it('is refused where it is a folder', async () => {
    const folder = await folders.make(await jpegs(1));
    await mkdir(join(folder, 'metadata.jsonl'));
    expect((await lookAtFolder(folder)).problems).toEqual([
      'metadata.jsonl: expected a file, got a folder of that name',
    ]);
  });
});

describe('folders', () => {
  it('name styles, and WikiArt’s file names the artist', async () => {
    const source = await look({ 'Impressionism/claude-monet_water-lilies-1916.jpg': await jpeg(0) });
    expect(picturesOf(source)).toMatchObject([{ style: 'Impressionism', artist: 'claude-monet' }]);
  });

  it('of artists lie in those of a style that is known', async () => {
    const source = await look({ 'Impressionism/claude-monet/0.jpg': await jpeg(0) });
    expect(source.style.name).toBe('Impressionism');
    expect(picturesOf(source)).toMatchObject([{ style: 'Impressionism', artist: 'claude-monet' }]);
  });

  it('do not make an artist of a camera’s file names', async () => {
    const source = await look(
      { 'my_00.jpg': await jpeg(0), 'holidays/img_01.jpg': await jpeg(1) },
      'holiday',
    );
    expect(picturesOf(source).map(({ artist }) => artist)).toEqual(['', '']);
  });

  it('that name several styles are refused, with what to do', async () => {
    const files = { 'hills/0.jpg': await jpeg(0), 'streets/1.jpg': await jpeg(1) };
    expect((await look(files)).problems).toEqual([
      'expected one style, got hills (1), streets (1) in the folders: say which is meant, or one name for all, with --style',
    ]);
    expect(await look(files, 'village')).toMatchObject({ problems: [], wanted: 2, hasOthers: false });
    expect(await look(files, 'Hills')).toMatchObject({ problems: [], wanted: 1, hasOthers: true });
  });

  it('of programs and hidden files are passed over and counted', async () => {
    const picture = await jpeg(1);
    const source = await look({
      'Impressionism/0.jpg': await jpeg(0),
      'Impressionism/._0.jpg': picture,
      'Impressionism/.DS_Store': 'x',
      'Impressionism/Thumbs.db': 'x',
      '.ipynb_checkpoints/0-checkpoint.jpg': picture,
      '@eaDir/0.jpg/SYNOPHOTO_THUMB_M.jpg': picture,
      '__MACOSX/._0.jpg': picture,
    });
    expect(source).toMatchObject({ problems: [], wanted: 1 });
    expect(left(source, 'hidden and system files')).toBe(6);
  });

  it('hold pictures under odd names, and those that are not read are named', async () => {
    const picture = await jpeg(0);
    const heic = Buffer.concat([
      Buffer.from([0, 0, 0, 24]),
      Buffer.from('ftypheic\0\0\0\0mif1heic'),
      picture,
    ]);
    const source = await look(
      {
        ...{ 'a.jfif': picture, 'b.JPE': picture, 'c.heic': heic, 'd.bmp': `BM${' '.repeat(60)}` },
        ...{
          'e.jxl': 'x',
          'f.jp2': 'x',
          'g.jpg': '<html>not found</html>',
          'h.jpg': '',
          'i.zip': 'PK',
          'j.doc': 'x',
        },
      },
      'odd',
    );
    expect(source.lines.map(({ files, taken, what }) => [files.length, taken, what])).toEqual([
      [2, true, 'pictures without a caption'],
      [4, false, 'pictures in a format that is not read: convert them to JPEG or PNG (BMP, HEIC, JP2, JXL)'],
      [1, false, 'archives: unpack them first (ZIP)'],
      [1, false, 'empty files'],
      [1, false, 'no pictures, whatever they are called'],
      [1, false, 'other files'],
    ]);
  });

  it.each([
    ['00000.tar', /got 1 archives: unpack them first \(TAR\), such as 00000\.tar/],
    ['pictures.zip', /got 1 archives: unpack them first \(ZIP\), such as pictures\.zip/],
    ['a.psd', /got 1 pictures in a format that is not read.*\(PSD\), such as a\.psd/],
  ])('with nothing but %s say what is there', async (name, problem) => {
    expect((await look({ [name]: 'x' })).problems).toEqual([expect.stringMatching(problem)]);
  });

  it('are followed through links, and no link leads around in circles', async () => {
    const other = await folders.make(await jpegs(2));
    const folder = await folders.make({ 'own.jpg': await jpeg(3) });
    await symlink(other, join(folder, 'linked'));
    await symlink(join(other, '0.jpg'), join(folder, 'zero.jpg'));
    await symlink(folder, join(folder, 'again'));
    await symlink('nowhere.jpg', join(folder, 'broken.jpg'));
    const source = await lookAtFolder(folder, { style: 'links' });
    expect(source).toMatchObject({ problems: [], wanted: 4 });
    expect(left(source, /links that lead nowhere or back/)).toBe(2);
  });

  const isRoot = process.getuid?.() === 0;
  (isRoot ? it.skip : it)('that cannot be read are refused', async () => {
    const folder = await folders.make(await jpegs(2, 'sub/'));
    await chmod(join(folder, 'sub/0.jpg'), 0);
    const { problems } = await lookAtFolder(folder);
    await chmod(join(folder, 'sub/0.jpg'), 0o644);
    expect(problems).toEqual(['sub/0.jpg: expected to be allowed to read it, got EACCES']);
  });

  it('of pictures and parquet files are refused', async () => {
    expect((await look({ 'Impressionism/0.jpg': await jpeg(0), 'index.parquet': 'x' })).problems).toEqual([
      'expected pictures or parquet files, got both: Impressionism/0.jpg and index.parquet; keep one kind',
    ]);
  });
});
