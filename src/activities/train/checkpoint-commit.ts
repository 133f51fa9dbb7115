import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Sha256 } from '../../domain/refs.ts';
import { CheckpointManifest } from '../../domain/training/checkpoint.ts';
import { type CheckpointFolder, checkpointOf } from '../../domain/training/checkpoint-choice.ts';
import type { LatestCheckpoint } from '../../domain/training/ledger.ts';
import type { CommitRequest } from '../../hub/hub.ts';
import { parseJson } from '../../hub/verified-json.ts';
import { MANIFEST } from '../support/checkpoint-folder.ts';
import { BRANCH_FILES } from './branch.ts';

/** A checkpoint that the trainer has finished on this machine. */
export interface LocalSave {
  step: number;
  /** Local folder; its name is kept on the Hub. */
  path: string;
  manifestSha256: Sha256;
}

/** A checkpoint of this machine with the files that its manifest lists, as they will be on the Hub. */
export async function readSave(save: LocalSave, folder: string): Promise<CheckpointFolder> {
  const path = join(save.path, MANIFEST);
  const { files } = parseJson(await readFile(path), CheckpointManifest, path);
  return checkpointOf(
    folder,
    files.map((file) => ({ ...file, path: `${folder}/${file.path}` })),
  );
}

/** Files that the Hub keeps in LFS, where they take up room until they are freed. */
export function largeFilesOf(checkpoints: readonly CheckpointFolder[]): Sha256[] {
  return checkpoints
    .flatMap(({ files }) => files)
    .flatMap(({ path, sha256 }) =>
      sha256 !== null && path.endsWith('.safetensors') ? [Sha256.parse(sha256)] : [],
    );
}

/** What a commit adds for a checkpoint: its files, and `latest.json` that points at it. */
export async function checkpointFiles(
  save: LocalSave,
  folder: string,
): Promise<NonNullable<CommitRequest['files']>> {
  const names = await readdir(save.path);
  const latest: LatestCheckpoint = {
    format: 1,
    step: save.step,
    path: folder,
    manifestSha256: save.manifestSha256,
  };
  return [
    ...names.sort().map((name) => ({ path: `${folder}/${name}`, content: { file: join(save.path, name) } })),
    { path: BRANCH_FILES.latest, content: json(latest) },
  ];
}

/** JSON as people like to read it in a repository. */
export function json(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}
