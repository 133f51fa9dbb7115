import { copyFile, mkdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { PipelineError } from '../../domain/errors.ts';
import type { CommitRef, CommitSha } from '../../domain/refs.ts';
import { ADAPTER_FILE, CheckpointManifest } from '../../domain/training/checkpoint.ts';
import type { Training } from '../../domain/training/training.ts';
import { sha256OfFile } from '../../hub/hashing.ts';
import type { Hub } from '../../hub/hub.ts';
import { parseJson } from '../../hub/verified-json.ts';
import { readModelIndex } from './base-class.ts';
import { MANIFEST } from './checkpoint-folder.ts';

/** Where a GPU worker keeps what it fetched from the Hub: by commit, so that no copy is ever stale. */
export function copyFolder(workDir: string, ref: CommitRef): string {
  return join(workDir, 'copies', ref.type, ...ref.repo.split('/'), ref.commit);
}

type CopyDeps = {
  hub: Hub;
  workDir: string;
  signal?: AbortSignal | undefined;
  onProgress?: (doneBytes: number, totalBytes: number) => void;
};

/** A local copy of a repository at a commit, or of part of it; files that are there and verify are kept. */
export async function copyLocally(
  deps: CopyDeps,
  ref: CommitRef,
  folder?: string,
  wanted?: (path: string) => boolean,
): Promise<string> {
  const toFolder = copyFolder(deps.workDir, ref);
  await deps.hub.download({
    repo: { type: ref.type, repo: ref.repo },
    commit: ref.commit,
    toFolder,
    ...(folder === undefined ? {} : { folder }),
    ...(wanted === undefined ? {} : { wanted }),
    ...(deps.signal === undefined ? {} : { signal: deps.signal }),
    ...(deps.onProgress === undefined ? {} : { onProgress: deps.onProgress }),
  });
  return toFolder;
}

/** A pipeline's components; whatever else its repository holds, such as a second copy of the weights, stays there. */
const COMPONENTS = [
  'scheduler',
  'text_encoder',
  'text_encoder_2',
  'tokenizer',
  'tokenizer_2',
  'transformer',
  'vae',
] as const;

/** What a component is made of: settings, weights as safetensors, vocabularies. No pickle and no code is fetched. */
const isModelFile = (path: string): boolean => /\.(json|safetensors|txt|model)$/.test(path);

/** A local copy of a base model in diffusers' layout; `model_index.json` comes last, so that it says "complete". */
export async function copyBase(deps: CopyDeps, base: CommitRef): Promise<string> {
  const folder = copyFolder(deps.workDir, base);
  const index = await readModelIndex(deps.hub, base);
  if (index === null)
    throw new PipelineError(
      'InvalidInput',
      `expected a FLUX pipeline in diffusers' layout at base, got no model_index.json in ${base.repo} at ${base.commit}`,
    );
  let before = 0;
  for (const component of COMPONENTS) {
    let size = 0;
    const onProgress = (done: number, total: number) => {
      size = total;
      deps.onProgress?.(before + done, before + total);
    };
    await copyLocally({ ...deps, onProgress }, base, component, isModelFile);
    before += size;
  }
  await writeWhole(join(folder, 'model_index.json'), index);
  return folder;
}

/**
 * A local copy of a training's last checkpoint: the adapter that the training named, trained on the base at `base`. An
 * adapter is judged on the base that it was trained on; a checkpoint that names another one is refused.
 *
 * @returns the checkpoint's folder
 */
export async function copyTrained(deps: CopyDeps, training: Training, base: CommitSha): Promise<string> {
  const { checkpoint, path, adapterSha256 } = training;
  const copy = await copyLocally(deps, checkpoint, path);
  const folder = join(copy, ...path.split('/'));
  const sha256 = await sha256OfFile(join(folder, ADAPTER_FILE));
  if (sha256 !== adapterSha256)
    throw new PipelineError(
      'Corrupt',
      `expected the trained adapter ${adapterSha256} in ${checkpoint.repo} ${path} at ${checkpoint.commit}, got ${sha256}`,
    );
  const manifest = join(folder, MANIFEST);
  const { fingerprint } = parseJson(await readFile(manifest), CheckpointManifest, manifest);
  const trainedOn = fingerprint['base.commit'] ?? base;
  if (trainedOn !== base)
    throw new PipelineError(
      'Corrupt',
      `expected an adapter trained on base commit ${base}, got one trained on ${trainedOn} (${manifest}): evaluate it with its own base`,
    );
  return folder;
}

/** A pipeline of a base's components but for its transformer, which is another folder's; links, no copies. */
export async function pipelineWith(base: string, transformer: string, folder: string): Promise<string> {
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  for (const component of COMPONENTS)
    await symlink(component === 'transformer' ? transformer : join(base, component), join(folder, component));
  await copyFile(join(base, 'model_index.json'), join(folder, 'model_index.json'));
  return folder;
}

/** Writes a file so that its name never shows half of it. */
export async function writeWhole(path: string, content: string | Uint8Array): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const temporary = `${path}.tmp-${process.pid}`;
  await writeFile(temporary, content);
  await rename(temporary, path);
}
