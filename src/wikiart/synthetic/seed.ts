import { readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { writeGeneratedWikiArt } from './dataset.ts';
import { fingerprintOf } from './fingerprint.ts';
import { completeOptions, type GeneratedWikiArtOptions } from './options.ts';
import { publishSeed } from './publish.ts';

/** Where to put the generated WikiArt; `workDir` keeps the painted files, so that a second Hub costs no painting. */
export interface SeedWikiArt {
  readonly hubUrl: string;
  readonly accessToken: string;
  readonly repo: string;
  readonly workDir: string;
  readonly images?: number;
  readonly seed?: number;
}

/** Puts the generated WikiArt into a dataset repository through the official client; a no-op where it already is. */
export async function seedGeneratedWikiArt(request: SeedWikiArt): Promise<{ repo: string; commit: string }> {
  const options: GeneratedWikiArtOptions = {
    ...(request.images === undefined ? {} : { images: request.images }),
    ...(request.seed === undefined ? {} : { seed: request.seed }),
  };
  const fingerprint = fingerprintOf(completeOptions(options));
  return publishSeed({
    hubUrl: request.hubUrl,
    accessToken: request.accessToken,
    repo: { type: 'dataset', name: request.repo },
    fingerprint,
    title: 'Generated WikiArt: painted by a program, not real',
    files: async () => {
      const folder = await paintedOnce(
        join(request.workDir, `wikiart-${fingerprint.slice(0, 12)}`),
        fingerprint,
        options,
      );
      // `truth.json` stays here: it is for tests, and nothing on the Hub should know what is wrong with which row.
      const paths = ['README.md', ...(await shardsOf(folder))];
      return paths.map((path) => ({ path, content: pathToFileURL(join(folder, path)) }));
    },
  });
}

async function paintedOnce(
  folder: string,
  fingerprint: string,
  options: GeneratedWikiArtOptions,
): Promise<string> {
  if ((await paintedFingerprint(folder)) === fingerprint) return folder;
  const unfinished = `${folder}.unfinished`;
  await rm(unfinished, { recursive: true, force: true });
  await writeGeneratedWikiArt(unfinished, options);
  await rm(folder, { recursive: true, force: true });
  await rename(unfinished, folder);
  return folder;
}

async function paintedFingerprint(folder: string): Promise<string | undefined> {
  try {
    return JSON.parse(await readFile(join(folder, 'generator.json'), 'utf8')).fingerprint;
  } catch {
    return undefined;
  }
}

async function shardsOf(folder: string): Promise<string[]> {
  const truth: { rows: { file: string }[] } = JSON.parse(await readFile(join(folder, 'truth.json'), 'utf8'));
  return [...new Set(truth.rows.map((row) => row.file))];
}
