import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { PipelineError } from '../../domain/errors.ts';
import type { CommitRef, Sha256 } from '../../domain/refs.ts';
import { CheckpointManifest } from '../../domain/training/checkpoint.ts';
import { sha256Of, sha256OfFile } from '../../hub/hashing.ts';
import type { Hub } from '../../hub/hub.ts';
import { parseJson } from '../../hub/verified-json.ts';

/** Name of the manifest in a checkpoint folder. */
export const MANIFEST = 'manifest.json';

/** A checkpoint folder on this machine whose every file hashes as its manifest promises. */
export interface LocalCheckpoint {
  folder: string;
  manifest: CheckpointManifest;
  manifestSha256: Sha256;
}

/** Reads and verifies a local checkpoint folder; what is missing or hashes otherwise is `Corrupt`. */
export async function openCheckpoint(folder: string): Promise<LocalCheckpoint> {
  const bytes = await readFile(join(folder, MANIFEST)).catch(() => null);
  if (bytes === null)
    throw new PipelineError('Corrupt', `expected ${MANIFEST} in checkpoint ${folder}, got none`);
  const manifest = parseJson(bytes, CheckpointManifest, join(folder, MANIFEST));
  for (const file of manifest.files) {
    const path = join(folder, file.path);
    const size = await stat(path).then(
      (found) => found.size,
      () => null,
    );
    if (size !== file.bytes)
      throw new PipelineError('Corrupt', `expected ${file.bytes} bytes in ${path}, got ${size ?? 'no file'}`);
    const sha256 = await sha256OfFile(path);
    if (sha256 !== file.sha256)
      throw new PipelineError('Corrupt', `expected sha256 ${file.sha256} in ${path}, got ${sha256}`);
  }
  return { folder, manifest, manifestSha256: sha256Of(bytes) };
}

/** Brings a checkpoint of a commit here and verifies it against its own manifest. */
export async function fetchCheckpoint(p: {
  hub: Hub;
  /** The checkpoint repository at a commit. */
  ref: CommitRef;
  /** `checkpoints/step-…` */
  path: string;
  toFolder: string;
  signal?: AbortSignal;
  onProgress?: (doneBytes: number, totalBytes: number) => void;
}): Promise<LocalCheckpoint> {
  await p.hub.download({
    repo: { type: p.ref.type, repo: p.ref.repo },
    commit: p.ref.commit,
    folder: p.path,
    toFolder: p.toFolder,
    ...(p.signal === undefined ? {} : { signal: p.signal }),
    ...(p.onProgress === undefined ? {} : { onProgress: p.onProgress }),
  });
  return openCheckpoint(join(p.toFolder, p.path));
}
