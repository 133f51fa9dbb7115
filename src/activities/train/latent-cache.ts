import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { CommitRef, RepoRef } from '../../domain/refs.ts';
import { RepoId } from '../../domain/refs.ts';
import { sha256Of } from '../../hub/hashing.ts';
import type { Hub } from '../../hub/hub.ts';

const PACKS = 'packs';

/** Latents and text embeddings of one dataset under one base: a folder here, a repository on the Hub. */
export interface LatentCache {
  hub: Hub;
  repo: RepoRef;
  /** Local folder that holds `packs`. */
  folder: string;
}

/** The cache of a base and a dataset; its name says which, so that a second machine finds it and encodes nothing. */
export function latentCache(p: {
  hub: Hub;
  namespace: string;
  workDir: string;
  base: CommitRef;
  dataset: CommitRef;
  resolution: number;
}): LatentCache {
  const key = sha256Of(
    `${p.base.repo}@${p.base.commit} ${p.dataset.repo}@${p.dataset.commit} ${p.resolution}`,
  );
  const name = `latents-${key.slice(0, 12)}`;
  return {
    hub: p.hub,
    repo: { type: 'dataset', repo: RepoId.parse(`${p.namespace}/${name}`) },
    folder: join(p.workDir, 'latents', name),
  };
}

/** Brings what was encoded elsewhere here, and returns the folder of packs, which may be empty. */
export async function restoreLatents(
  { hub, repo, folder }: LatentCache,
  options: { signal: AbortSignal; onProgress: (doneBytes: number, totalBytes: number) => void },
): Promise<string> {
  const packs = join(folder, PACKS);
  await mkdir(packs, { recursive: true });
  const head = await hub.resolve(repo);
  if (head !== null) await hub.download({ repo, commit: head, folder: PACKS, toFolder: folder, ...options });
  return packs;
}

/** Adds packs that were encoded here; they are named by their sha256, so that two machines cannot disagree. */
export async function shareLatents({ hub, repo, folder }: LatentCache, signal: AbortSignal): Promise<void> {
  const here = (await readdir(join(folder, PACKS))).filter((name) =>
    /^pack-[0-9a-f]{64}\.safetensors$/.test(name),
  );
  await hub.ensureRepo(repo, { private: true });
  const there = new Set((await hub.list(repo, 'main', PACKS)).map(({ path }) => path));
  const files = here
    .map((name) => ({ path: `${PACKS}/${name}`, content: { file: join(folder, PACKS, name) } }))
    .filter(({ path }) => !there.has(path));
  if (files.length > 0)
    await hub.commit({ repo, message: `Add ${files.length} packs of latents`, files, signal });
}
