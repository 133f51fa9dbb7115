import { z } from 'zod';
import { PipelineError } from '../../domain/errors.ts';
import { CommitRef, type CommitSha, type RepoRef, Sha256 } from '../../domain/refs.ts';
import type { Hub } from '../../hub/hub.ts';
import { parseJson } from '../../hub/verified-json.ts';

/** Labels of one row group, as the label pass found them. */
export const StoredGroupLabels = z.strictObject({
  group: z.int(),
  firstRow: z.int(),
  rows: z.int(),
  imageBytes: z.int(),
  artists: z.array(z.string()),
  genres: z.array(z.string()),
  styles: z.array(z.string()),
  captions: z.array(z.string()).optional(),
  files: z.array(z.string()).optional(),
});

/** `tasks/00003.json` of a work repository: which rows of a file to prepare, and what they are labeled. */
export const ShardTask = z.strictObject({
  /** Where the file is: the source, or the reference that neighbors are taken from. */
  at: CommitRef,
  path: z.string(),
  bytes: z.int(),
  groups: z.array(
    z.strictObject({
      plan: z.strictObject({
        file: z.string(),
        fileIndex: z.int(),
        group: z.int(),
        firstRow: z.int(),
        wanted: z.array(z.int()),
        neighbors: z.array(z.int()),
      }),
      labels: StoredGroupLabels,
    }),
  ),
});
export type ShardTask = z.infer<typeof ShardTask>;

/** `plan.json` of a work repository: what the labels alone decide, and which shards there are. */
export const StoredPlan = z.strictObject({
  format: z.literal(1),
  key: Sha256,
  rows: z.int(),
  /** Number of the source's own files; those of a reference come after them. */
  ownFiles: z.int(),
  otherStyle: z.int(),
  otherGenre: z.array(z.strictObject({ source: z.string(), genre: z.string() })),
  otherArtist: z.array(z.strictObject({ source: z.string(), artist: z.string() })),
  overLimit: z.array(z.string()),
  /** Bytes of the label pass, and of opening again the files that hold wanted pictures. */
  labelBytes: z.int(),
  shards: z.array(z.strictObject({ shard: z.int(), pictures: z.int(), groups: z.array(z.string()) })),
});
export type StoredPlan = z.infer<typeof StoredPlan>;

export const PLAN_FILE = 'plan.json';

/** The error of a part of a preparation that finds no work in progress. */
export function workRemoved(what: string, work: RepoRef): PipelineError {
  return new PipelineError(
    'InvalidInput',
    `Expected ${what} in ${work.repo}, got none: the work repository was removed; start the run again`,
  );
}

/** A JSON file of a work repository; null when it is not there. */
export async function readWork<T>(
  hub: Hub,
  work: RepoRef,
  at: CommitSha,
  file: { path: string; schema: z.ZodType<T> },
): Promise<T | null> {
  const bytes = await hub.read(work, at, file.path);
  return bytes === null ? null : parseJson(bytes, file.schema, `${work.repo}/${file.path}`);
}

/** Five digits, so that names sort as numbers do. */
export function padded(value: number): string {
  return String(value).padStart(5, '0');
}

/** Path of a shard's task in the work repository. */
export function taskFile(shard: number): string {
  return `tasks/${padded(shard)}.json`;
}

/** Folder of a shard's results in the work repository; they come in one commit, so what is there is whole. */
export function shardFolder(shard: number): string {
  return `shards/${padded(shard)}`;
}

/** The plan of a work repository and the commit it was read at; null when there is none for this key. */
export async function readPlan(
  hub: Hub,
  work: RepoRef,
  key: string,
): Promise<{ head: CommitSha; plan: StoredPlan } | null> {
  const head = await hub.resolve(work);
  if (head === null) return null;
  const plan = await readWork(hub, work, head, { path: PLAN_FILE, schema: StoredPlan });
  return plan?.key === key ? { head, plan } : null;
}
