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

/** Brings what was encoded elsewhere here; the folder of packs, which may be empty, and those that the Hub holds. */
export async function restoreLatents(
  { hub, repo, folder }: LatentCache,
  options: { signal: AbortSignal; onProgress: (doneBytes: number, totalBytes: number) => void },
): Promise<{ packs: string; shared: Set<string> }> {
  const packs = join(folder, PACKS);
  await mkdir(packs, { recursive: true });
  const head = await hub.resolve(repo);
  const shared =
    head === null
      ? []
      : await hub.download({ repo, commit: head, folder: PACKS, toFolder: folder, ...options });
  return { packs, shared: new Set(shared) };
}

/** Longest that a pack waits for the Hub while more are being encoded: what a machine that vanishes takes with it. */
const SHARE_EVERY_MS = 2 * 60_000;
/** Longest that an attempt which ends otherwise waits for its last packs to be shared. */
const LAST_SHARE_MS = 45_000;

/** Who hears of packs on the Hub, and how often they are put there. */
export interface PackSharing {
  /** Packs that the Hub holds; grows. */
  shared: Set<string>;
  signal: AbortSignal;
  /** Called with how many packs of this attempt are on the Hub. */
  onShared: (packs: number) => void;
  log: (line: string) => void;
  everyMs?: number;
}

/**
 * Puts packs on the Hub while `encode` writes them, and what is left when it ends, however it ends. A Hub that takes none
 * costs the next machine time, and this one nothing.
 */
export async function whileSharing<T>(
  cache: LatentCache,
  p: PackSharing,
  encode: () => Promise<T>,
): Promise<T> {
  const before = p.shared.size;
  // An object, for the narrowing of a variable does not see the timer's assignment.
  const sharing: { now: Promise<void> | null } = { now: null };
  const share = async (signal: AbortSignal): Promise<void> => {
    try {
      if (await shareLatents(cache, p.shared, signal)) p.onShared(p.shared.size - before);
    } catch (error) {
      if (!p.signal.aborted) p.log(`latents were not shared: ${String(error)}`);
    }
  };
  const timer = setInterval(() => {
    sharing.now ??= share(p.signal).finally(() => {
      sharing.now = null;
    });
  }, p.everyMs ?? SHARE_EVERY_MS);
  let whole = false;
  try {
    const result = await encode();
    whole = true;
    return result;
  } finally {
    clearInterval(timer);
    if (sharing.now !== null) await sharing.now;
    await share(whole ? p.signal : AbortSignal.timeout(LAST_SHARE_MS));
    if (whole) p.signal.throwIfAborted();
  }
}

/** Adds packs that were encoded here, and says whether there were any; named by their sha256, they cannot disagree. */
async function shareLatents(
  { hub, repo, folder }: LatentCache,
  shared: Set<string>,
  signal: AbortSignal,
): Promise<boolean> {
  const names = await readdir(join(folder, PACKS));
  const files = names
    .filter((name) => /^pack-[0-9a-f]{64}\.safetensors$/.test(name) && !shared.has(`${PACKS}/${name}`))
    .map((name) => ({ path: `${PACKS}/${name}`, content: { file: join(folder, PACKS, name) } }));
  if (files.length === 0) return false;
  await hub.ensureRepo(repo, { private: true });
  await hub.commit({ repo, message: `Add ${files.length} packs of latents`, files, signal });
  for (const { path } of files) shared.add(path);
  return true;
}
