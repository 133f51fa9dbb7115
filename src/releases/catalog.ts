import { createHash } from 'node:crypto';
import { PipelineError } from '../domain/errors.ts';
import type { CommitSha, RepoId, RepoRef, Sha256 } from '../domain/refs.ts';
import { PROVENANCE_FILE, Provenance, type ReleaseEntry } from '../domain/release/provenance.ts';
import type { Hub } from '../hub/hub.ts';

/** Branches of a release repository that say what is served and what was served before. */
export const PRODUCTION = 'production';
export const PREVIOUS = 'previous';

const TAG = /^v([1-9]\d*)$/;

/** Number of a release tag such as `v12`; null for other tags. */
export function releaseNumber(tag: string): number | null {
  const digits = TAG.exec(tag)?.[1];
  return digits === undefined ? null : Number(digits);
}

/** The repository of a model's releases. */
export function releaseRepo(repo: RepoId): RepoRef {
  return { type: 'model', repo };
}

/** Every release of a model, newest first; tags that are not releases are left out. */
export async function listReleases(hub: Hub, repo: RepoId): Promise<ReleaseEntry[]> {
  const tags = (await hub.tags(releaseRepo(repo))).filter((t) => releaseNumber(t.name) !== null);
  tags.sort((a, b) => (releaseNumber(b.name) ?? 0) - (releaseNumber(a.name) ?? 0));
  const entries = await Promise.all(
    tags.map(async (tag) => {
      const provenance = await readProvenance(hub, repo, tag.commit);
      return provenance === null ? null : { tag: tag.name, commit: tag.commit, provenance };
    }),
  );
  return entries.filter((entry) => entry !== null);
}

/** The release behind a tag; null when there is no such tag. */
export async function findRelease(hub: Hub, repo: RepoId, tag: string): Promise<ReleaseEntry | null> {
  const found = (await hub.tags(releaseRepo(repo))).find((t) => t.name === tag);
  if (found === undefined) return null;
  const provenance = await readProvenance(hub, repo, found.commit);
  return provenance === null ? null : { tag, commit: found.commit, provenance };
}

/** Tag of the release that a branch such as `production` points to; null where the branch is missing. */
export async function tagAt(hub: Hub, repo: RepoId, branch: string): Promise<string | null> {
  const ref = releaseRepo(repo);
  const commit = (await hub.branches(ref)).find((b) => b.name === branch)?.commit;
  if (commit === undefined) return null;
  const tag = (await hub.tags(ref)).find((t) => t.commit === commit && releaseNumber(t.name) !== null);
  return tag?.name ?? null;
}

/** The lineage record at a commit; null where there is none. */
export async function readProvenance(hub: Hub, repo: RepoId, commit: CommitSha): Promise<Provenance | null> {
  const bytes = await hub.read(releaseRepo(repo), commit, PROVENANCE_FILE);
  if (bytes === null) return null;
  const parsed = Provenance.safeParse(JSON.parse(bytes.toString('utf8')));
  if (parsed.success) return parsed.data;
  throw new PipelineError(
    'Corrupt',
    `Expected a lineage record of format 1 in ${repo}@${commit.slice(0, 8)}:${PROVENANCE_FILE}, got ${parsed.error.message}`,
  );
}

/** Throws `Corrupt` unless the release's adapter on the Hub has the bytes that its record names. */
export async function verifyRelease(hub: Hub, repo: RepoId, entry: ReleaseEntry): Promise<void> {
  const { path, sha256 } = entry.provenance.adapter;
  const got = await sha256OnHub(hub, repo, entry.commit, path);
  if (got === sha256) return;
  throw new PipelineError(
    'Corrupt',
    `Expected sha256 ${sha256} of ${path} in ${repo} ${entry.tag}, got ${got ?? 'no such file'}: the release is damaged, choose another one`,
  );
}

async function sha256OnHub(
  hub: Hub,
  repo: RepoId,
  commit: CommitSha,
  path: string,
): Promise<Sha256 | string | null> {
  const entry = await hub.stat(releaseRepo(repo), commit, path);
  if (entry === null) return null;
  if (entry.sha256 !== null) return entry.sha256;
  const bytes = await hub.read(releaseRepo(repo), commit, path);
  return bytes === null ? null : createHash('sha256').update(bytes).digest('hex');
}
