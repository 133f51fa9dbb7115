import { z } from 'zod';

/** `namespace/name` on the Hub. */
export const RepoId = z
  .string()
  .regex(
    /^[A-Za-z0-9][\w.-]{0,95}\/[A-Za-z0-9][\w.-]{0,95}$/,
    'expected a Hub repository as "namespace/name"',
  )
  .brand<'RepoId'>();
export type RepoId = z.infer<typeof RepoId>;

/** Full commit id, 40 hexadecimal digits: a branch name is never a reference. */
export const CommitSha = z
  .string()
  .regex(/^[0-9a-f]{40}$/, 'expected a full commit id of 40 hexadecimal digits')
  .brand<'CommitSha'>();
export type CommitSha = z.infer<typeof CommitSha>;

/** Lower-case sha256, 64 hexadecimal digits. */
export const Sha256 = z
  .string()
  .regex(/^[0-9a-f]{64}$/, 'expected a sha256 of 64 hexadecimal digits')
  .brand<'Sha256'>();
export type Sha256 = z.infer<typeof Sha256>;

/** Name of a run: it becomes a workflow id and part of repository names. */
export const RunName = z
  .string()
  .regex(
    /^[a-z0-9](?:[a-z0-9-]{0,46}[a-z0-9])?$/,
    'expected 1 to 48 lower-case letters, digits and inner hyphens',
  )
  .brand<'RunName'>();
export type RunName = z.infer<typeof RunName>;

export const RepoType = z.enum(['model', 'dataset', 'space']);
export type RepoType = z.infer<typeof RepoType>;

/** A repository of a certain type, without a revision. */
export const RepoRef = z.strictObject({ type: RepoType, repo: RepoId });
export type RepoRef = z.infer<typeof RepoRef>;

/** A repository at one commit: what phases hand on instead of bytes. */
export const CommitRef = z.strictObject({ type: RepoType, repo: RepoId, commit: CommitSha });
export type CommitRef = z.infer<typeof CommitRef>;

/** One file at one commit, with the sha256 of its bytes. */
export const FileRef = z.strictObject({
  type: RepoType,
  repo: RepoId,
  commit: CommitSha,
  path: z.string().min(1),
  sha256: Sha256,
});
export type FileRef = z.infer<typeof FileRef>;
