import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { asyncBufferFromFile } from 'hyparquet';
import { fileWriter, ParquetWriter, type SchemaElement } from 'hyparquet-writer';
import { PipelineError } from '../domain/errors.ts';
import { RepoId, type RepoRef } from '../domain/refs.ts';
import { sha256OfFile } from '../hub/hashing.ts';
import type { Hub } from '../hub/hub.ts';
import { type LabeledFile, readImageFolder } from './image-folder.ts';
import { openShard, readLabels } from './shard.ts';

/** Rows of a row group and of a file that pictures are packed into. */
const GROUP_ROWS = 100;
const FILE_ROWS = 1000;

const TEXT = { type: 'BYTE_ARRAY', converted_type: 'UTF8', repetition_type: 'OPTIONAL' } as const;
const SCHEMA: SchemaElement[] = [
  { name: 'root', num_children: 4 },
  { name: 'image', num_children: 2, repetition_type: 'OPTIONAL' },
  { name: 'bytes', type: 'BYTE_ARRAY', repetition_type: 'OPTIONAL' },
  { name: 'path', ...TEXT },
  { name: 'artist', ...TEXT },
  { name: 'genre', ...TEXT },
  { name: 'style', ...TEXT },
];

/** A local source that is on the Hub now. */
export interface ImportedSource {
  repo: RepoId;
  pictures: number;
  /** Whether the Hub held it already. */
  cached: boolean;
}

/**
 * Puts a local source into a private dataset repository named after its content, so that any worker can read it and the
 * same folder is uploaded once: parquet files with WikiArt's schema as they are, or an image folder packed into such files.
 */
export async function importSource(p: {
  hub: Hub;
  folder: string;
  namespace: string;
  onProgress?: (done: number, total: number) => void;
}): Promise<ImportedSource> {
  const found = await stat(p.folder).catch(() => null);
  if (found === null || !found.isDirectory())
    throw new PipelineError('InvalidInput', `--from: expected a folder, got ${p.folder}`);
  const parquet = (await readdir(p.folder, { recursive: true }))
    .filter((name) => name.endsWith('.parquet'))
    .sort();
  const scratch = await mkdtemp(join(tmpdir(), 'plein-air-import-'));
  try {
    return parquet.length > 0 ? await importParquet(p, parquet) : await importPictures(p, scratch);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

type Import = Parameters<typeof importSource>[0];

async function importParquet(p: Import, names: readonly string[]): Promise<ImportedSource> {
  const problems: string[] = [];
  const digest = createHash('sha256');
  let pictures = 0;
  for (const [at, name] of names.entries()) {
    const file = join(p.folder, name);
    try {
      const buffer = await asyncBufferFromFile(file);
      const shard = await openShard({ ...buffer, path: name, bytesRead: () => 0 });
      pictures += (await readLabels(shard, null)).reduce((sum, group) => sum + group.rows, 0);
    } catch (error) {
      problems.push(error instanceof Error ? error.message : String(error));
    }
    digest.update(`${name}\0${await sha256OfFile(file)}\n`);
    p.onProgress?.(at + 1, names.length);
  }
  if (problems.length > 0) throw new PipelineError('BadData', problems.join('\n'));
  const files = names.map((name) => ({ path: `data/${name}`, content: { file: join(p.folder, name) } }));
  return upload(p, { digest: digest.digest('hex'), files: async () => files, pictures });
}

async function importPictures(p: Import, scratch: string): Promise<ImportedSource> {
  const pictures = await readImageFolder(p.folder);
  const digest = createHash('sha256');
  for (const [at, { path, artist, genre, style }] of pictures.entries()) {
    digest.update(JSON.stringify([path, artist, genre, style, await sha256OfFile(join(p.folder, path))]));
    p.onProgress?.(at + 1, pictures.length);
  }
  return upload(p, {
    digest: digest.digest('hex'),
    files: () => packPictures(p.folder, pictures, scratch),
    pictures: pictures.length,
  });
}

/** Packs pictures into parquet files, one row group in memory at a time. */
async function packPictures(folder: string, pictures: readonly LabeledFile[], scratch: string) {
  const count = Math.ceil(pictures.length / FILE_ROWS);
  const files: { path: string; content: { file: string } }[] = [];
  const padded = (n: number): string => String(n).padStart(5, '0');
  for (let at = 0; at < count; at++) {
    const name = `train-${padded(at)}-of-${padded(count)}.parquet`;
    const writer = new ParquetWriter({ writer: fileWriter(join(scratch, name)), schema: SCHEMA });
    const own = pictures.slice(at * FILE_ROWS, (at + 1) * FILE_ROWS);
    for (let first = 0; first < own.length; first += GROUP_ROWS) {
      const group = own.slice(first, first + GROUP_ROWS);
      const images = await Promise.all(
        group.map(async ({ path }) => ({ bytes: await readFile(join(folder, path)), path: basename(path) })),
      );
      await writer.write({
        columnData: [
          { name: 'image', data: images, codec: 'UNCOMPRESSED', encoding: 'PLAIN', statistics: false },
          ...(['artist', 'genre', 'style'] as const).map((column) => ({
            name: column,
            data: group.map((picture) => picture[column]),
          })),
        ],
        rowGroupSize: group.length,
      });
    }
    await writer.finish();
    files.push({ path: `data/${name}`, content: { file: join(scratch, name) } });
  }
  return files;
}

async function upload(
  p: Import,
  source: {
    digest: string;
    files(): Promise<{ path: string; content: { file: string } }[]>;
    pictures: number;
  },
): Promise<ImportedSource> {
  const repo: RepoRef = {
    type: 'dataset',
    repo: RepoId.parse(`${p.namespace}/source-${source.digest.slice(0, 12)}`),
  };
  const head = await p.hub.resolve(repo);
  const known = head !== null && (await p.hub.list(repo, head, 'data')).length > 0;
  if (!known) {
    await p.hub.ensureRepo(repo, { private: true });
    await p.hub.commit({
      repo,
      message: `Import ${basename(p.folder)}: ${source.pictures} pictures`,
      files: await source.files(),
    });
  }
  return { repo: repo.repo, pictures: source.pictures, cached: known };
}
