import type { CheckpointManifest } from './checkpoint.ts';

/** A file of a repository, as far as choosing a checkpoint needs it. */
export interface ListedFile {
  path: string;
  bytes: number;
  /** Known for files in LFS only. */
  sha256: string | null;
}

/** A folder `checkpoints/step-…` and its files. */
export interface CheckpointFolder {
  folder: string;
  step: number;
  /** Set for a checkpoint in the middle of an accumulation; it is newer than the one of its step. */
  microStep: number | null;
  files: ListedFile[];
}

const FOLDER = /^(checkpoints\/step-(\d{8,})(?:-micro-(\d{8,}))?)\//;

/** Newest first, by number: step 1,000 comes before step 900, whatever their names sort to. */
export function newestFirst(a: CheckpointFolder, b: CheckpointFolder): number {
  return b.step - a.step || (b.microStep ?? -1) - (a.microStep ?? -1);
}

/** The checkpoints among a repository's files, newest first; whether they are whole is not looked at. */
export function findCheckpoints(files: readonly ListedFile[]): CheckpointFolder[] {
  const found = new Map<string, CheckpointFolder>();
  for (const file of files) {
    const [, folder, step, micro] = FOLDER.exec(file.path) ?? [];
    if (folder === undefined || step === undefined) continue;
    const checkpoint = found.get(folder) ?? {
      folder,
      step: Number(step),
      microStep: micro === undefined ? null : Number(micro),
      files: [],
    };
    checkpoint.files.push(file);
    found.set(folder, checkpoint);
  }
  return [...found.values()].sort(newestFirst);
}

/** Why a checkpoint cannot be used, judged by the listing and its manifest; null: nothing speaks against it. */
export function damageOf(checkpoint: CheckpointFolder, manifest: CheckpointManifest | null): string | null {
  const { folder } = checkpoint;
  if (manifest === null) return `${folder}: expected a manifest.json that can be read, got none`;
  if (manifest.step !== checkpoint.step)
    return `${folder}: expected step ${checkpoint.step} in its manifest, got ${manifest.step}`;
  for (const { path, bytes, sha256 } of manifest.files) {
    const there = checkpoint.files.find((file) => file.path === `${folder}/${path}`);
    if (there === undefined) return `${folder}/${path}: expected ${bytes} bytes, got no file`;
    if (there.bytes !== bytes) return `${folder}/${path}: expected ${bytes} bytes, got ${there.bytes}`;
    if (there.sha256 !== null && there.sha256 !== sha256)
      return `${folder}/${path}: expected sha256 ${sha256}, got ${there.sha256}`;
  }
  return null;
}

/** Which checkpoints of a branch stay. */
export interface Retention {
  /** Newest ones. */
  newest: number;
  /** Of each so many steps the first one; null: none for their place alone. */
  every: number | null;
}

/**
 * Checkpoints to delete: all but the newest, the best (least held-out loss measured at its step, the earlier of equals) and
 * the first of every so many steps. What is dropped once would be dropped again, whatever came later.
 */
export function dropped(
  folders: readonly CheckpointFolder[],
  { newest, every }: Retention,
  heldOutLosses: ReadonlyMap<number, number> = new Map(),
): CheckpointFolder[] {
  const sorted = [...folders].sort(newestFirst);
  const kept = new Set(sorted.slice(0, newest));
  const measured = sorted.filter(({ step, microStep }) => microStep === null && heldOutLosses.has(step));
  const lossOf = ({ step }: CheckpointFolder) => heldOutLosses.get(step) ?? Number.POSITIVE_INFINITY;
  const best = measured.reduce<CheckpointFolder | null>(
    (least, one) => (least === null || lossOf(one) <= lossOf(least) ? one : least),
    null,
  );
  if (best !== null) kept.add(best);
  const stretches = new Set<number>();
  if (every !== null)
    for (const folder of sorted.toReversed()) {
      const stretch = Math.floor(folder.step / every);
      if (stretch > 0 && !stretches.has(stretch)) kept.add(folder);
      stretches.add(stretch);
    }
  return sorted.filter((folder) => !kept.has(folder));
}

/** A checkpoint that has just been made, from its folder's name and what its manifest lists. */
export function checkpointOf(folder: string, files: readonly ListedFile[] = []): CheckpointFolder {
  const [checkpoint] = findCheckpoints([
    { path: `${folder}/manifest.json`, bytes: 0, sha256: null },
    ...files,
  ]);
  if (checkpoint === undefined)
    throw new TypeError(`expected a folder like checkpoints/step-00000100, got ${folder}`);
  return checkpoint;
}
