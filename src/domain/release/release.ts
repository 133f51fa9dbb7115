import { z } from 'zod';
import { CommitSha, RepoId, Sha256 } from '../refs.ts';
import { SpaceTrial } from './space-trial.ts';

/** Tag of a release: `v1`, `v2`, … */
export const ReleaseTag = z.string().regex(/^v[1-9]\d*$/, 'expected a release tag such as "v1"');

/** A release in production. */
export const Release = z.strictObject({
  release: z.strictObject({ repo: RepoId, tag: z.string(), commit: CommitSha, sha256: Sha256 }),
  space: z.strictObject({ repo: RepoId, commit: CommitSha }).nullable(),
  /** The release that was in production before; null: none. */
  previousTag: z.string().nullable(),
  /** What the running Space was found to do; null: there is no Space. */
  trial: SpaceTrial.nullable(),
  cached: z.boolean(),
});
export type Release = z.infer<typeof Release>;
