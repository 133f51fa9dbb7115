import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { asyncBufferFromFile, parquetMetadataAsync, parquetReadObjects } from 'hyparquet';
import sharp from 'sharp';
import { type TrueRow, writeGeneratedWikiArt } from '../../../src/wikiart/synthetic/dataset.ts';
import { ARTIST_NAMES, GENRE_NAMES, STYLE_NAMES } from '../../../src/wikiart/synthetic/labels.ts';
import { type Defect, USUAL_DEFECTS } from '../../../src/wikiart/synthetic/plan.ts';

interface Row {
  image: { bytes: Uint8Array; path: string };
  artist: bigint;
  genre: bigint;
  style: bigint;
}

const options = { images: 120, shards: 2, rowsPerGroup: 16 };
let folder: string;
let truth: TrueRow[];
let rows: Row[];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'generated-wikiart-'));
  await writeGeneratedWikiArt(folder, options);
  truth = JSON.parse(await readFile(join(folder, 'truth.json'), 'utf8')).rows;
  const shards = await Promise.all(
    [0, 1].map((shard) => readShard(`data/train-0000${shard}-of-00002.parquet`)),
  );
  rows = shards.flat();
}, 120_000);

afterAll(() => rm(folder, { recursive: true, force: true }));

async function readShard(path: string): Promise<Row[]> {
  const file = await asyncBufferFromFile(join(folder, path));
  return (await parquetReadObjects({ file, utf8: false })) as unknown as Row[];
}

function having(defect: Defect): { row: Row; planned: TrueRow }[] {
  const found = truth.flatMap((planned) => {
    const row = rows[planned.index];
    return planned.defect === defect && row !== undefined ? [{ row, planned }] : [];
  });
  expect(found.length).toBeGreaterThan(0);
  return found;
}

const decode = (bytes: Uint8Array) => sharp(bytes, { failOn: 'error' });

describe('the generated WikiArt', () => {
  it('splits each shard into row groups, so that a ranged read can fetch one', async () => {
    const metadata = await parquetMetadataAsync(
      await asyncBufferFromFile(join(folder, 'data/train-00000-of-00002.parquet')),
    );
    expect(metadata.row_groups.map((group) => Number(group.num_rows))).toEqual([16, 16, 16, 12]);
  });

  it("carries huggan/wikiart's features in the parquet metadata", async () => {
    const metadata = await parquetMetadataAsync(
      await asyncBufferFromFile(join(folder, 'data/train-00001-of-00002.parquet')),
    );
    const text = metadata.key_value_metadata?.find(({ key }) => key === 'huggingface')?.value ?? '';
    const { features } = JSON.parse(text).info;
    expect(Object.keys(features)).toEqual(['image', 'artist', 'genre', 'style']);
    expect(features.style.names).toEqual([...STYLE_NAMES]);
  });

  it('labels every row as its truth table says', () => {
    expect(rows).toHaveLength(120);
    for (const planned of truth) {
      const row = rows[planned.index];
      expect(STYLE_NAMES[Number(row?.style)]).toBe(planned.style);
      expect(GENRE_NAMES[Number(row?.genre)]).toBe(planned.genre);
      expect(ARTIST_NAMES[Number(row?.artist)]).toBe(ARTIST_NAMES[planned.artist]);
    }
  });

  it('holds sound pictures of the planned size wherever nothing is planted', async () => {
    for (const planned of truth.filter(({ defect }) => defect === null)) {
      const bytes = rows[planned.index]?.image.bytes as Uint8Array;
      const { width, height, format } = await decode(bytes).metadata();
      expect({ width, height, format }).toEqual({
        width: planned.width,
        height: planned.height,
        format: 'jpeg',
      });
    }
  });

  it('counts every defect in the card as the truth table has it', async () => {
    const card = await readFile(join(folder, 'README.md'), 'utf8');
    expect(card).toContain('GENERATED WikiArt: not real paintings');
    for (const defect of USUAL_DEFECTS) {
      expect(card).toContain(`| ${defect} | ${truth.filter((row) => row.defect === defect).length} |`);
    }
  });

  it.each(['corrupt', 'truncated'] as const)(
    'plants %s bytes that strict decoding refuses',
    async (defect) => {
      for (const { row } of having(defect)) {
        await expect(decode(row.image.bytes).raw().toBuffer()).rejects.toThrow();
      }
    },
  );

  it('repeats an exact duplicate byte for byte', () => {
    for (const { row, planned } of having('exact-duplicate')) {
      expect(
        Buffer.from(row.image.bytes).equals(rows[planned.copyOf as number]?.image.bytes as Uint8Array),
      ).toBe(true);
    }
  });

  it.each(['near-duplicate-reencoded', 'near-duplicate-cropped', 'near-duplicate-resized'] as const)(
    'makes a %s that differs in bytes and hardly to the eye',
    async (defect) => {
      const small = (bytes: Uint8Array) =>
        sharp(bytes).resize(16, 16, { fit: 'fill' }).grayscale().raw().toBuffer();
      for (const { row, planned } of having(defect)) {
        const original = rows[planned.copyOf as number]?.image.bytes as Uint8Array;
        expect(Buffer.from(row.image.bytes).equals(original)).toBe(false);
        const [a, b] = [await small(row.image.bytes), await small(original)];
        const difference = a.reduce((sum, value, at) => sum + Math.abs(value - (b[at] ?? 0)), 0) / a.length;
        expect(difference).toBeLessThan(12);
      }
    },
  );

  it('plants tiny, grayscale, CMYK, alpha and turned pictures as their headers say', async () => {
    const header = async (defect: Defect) => {
      const { row, planned } = having(defect)[0] as { row: Row; planned: TrueRow };
      return { planned, ...(await sharp(row.image.bytes).metadata()) };
    };
    expect(Math.min((await header('tiny')).width, (await header('tiny')).height)).toBe(96);
    expect((await header('grayscale')).space).toBe('b-w');
    expect((await header('cmyk')).space).toBe('cmyk');
    expect(await header('alpha')).toMatchObject({ format: 'png', hasAlpha: true });
    const turned = await header('exif-rotated');
    expect(turned).toMatchObject({
      orientation: 6,
      width: turned.planned.height,
      height: turned.planned.width,
    });
  });

  it('frames a picture in one color on every side', async () => {
    for (const { row, planned } of having('framed')) {
      const { data, info } = await sharp(row.image.bytes).raw().toBuffer({ resolveWithObject: true });
      expect(info.width).toBeGreaterThan(planned.width);
      const corner = [...data.subarray(0, 3)];
      const far = [...data.subarray(data.length - 3)];
      for (const channel of [0, 1, 2]) {
        expect(Math.abs((corner[channel] ?? 0) - (far[channel] ?? 255))).toBeLessThan(12);
      }
    }
  });

  it('writes the same bytes again for the same options', async () => {
    const hashes = async (name: string): Promise<string> => {
      const other = join(folder, name);
      await writeGeneratedWikiArt(other, { images: 20, shards: 1 });
      return createHash('sha256')
        .update(await readFile(join(other, 'data/train-00000-of-00001.parquet')))
        .digest('hex');
    };
    expect(await hashes('once')).toBe(await hashes('again'));
  });
});
