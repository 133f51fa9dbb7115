import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join, relative, sep } from 'node:path';
import { pathToFileURL } from 'node:url';
import { publishSeed } from './publish.ts';

/** Where to put the tiny base, and the folder it is in. */
export interface SeedBase {
  readonly hubUrl: string;
  readonly accessToken: string;
  readonly repo: string;
  readonly folder: string;
}

/** Puts the tiny FLUX base into a model repository through the official client; a no-op where it already is. */
export async function seedTinyBase(request: SeedBase): Promise<{ repo: string; commit: string }> {
  const paths = await filesOf(request.folder);
  if (!paths.includes('model_index.json')) {
    throw new Error(
      `Expected a FLUX pipeline with model_index.json, got ${paths.length} other files (${request.folder}): run \`npm run build:tiny-base\`.`,
    );
  }
  const hash = createHash('sha256');
  for (const path of paths) {
    const content = await readFile(join(request.folder, path));
    hash.update(`${path}\0${createHash('sha256').update(content).digest('hex')}\n`);
  }
  return publishSeed({
    hubUrl: request.hubUrl,
    accessToken: request.accessToken,
    repo: { type: 'model', name: request.repo },
    fingerprint: hash.digest('hex'),
    title: 'Tiny FLUX base, trained on generated pictures',
    files: async () => paths.map((path) => ({ path, content: pathToFileURL(join(request.folder, path)) })),
  });
}

async function filesOf(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile() && !entry.name.startsWith('.'))
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)).split(sep).join('/'))
    .sort();
}
