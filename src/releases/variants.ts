import { type ReleasedVariant, type VariantKind, VariantRecord } from '../domain/config/variants.ts';
import { PipelineError } from '../domain/errors.ts';
import type { CommitSha, RepoId, RepoRef, Sha256 } from '../domain/refs.ts';
import type { Hub } from '../hub/hub.ts';
import { parseJson } from '../hub/verified-json.ts';

/** Name of a variant's own record in its repository. */
export const VARIANT_FILE = 'variant.json';
/** Folder of a variant's weights: the part of a diffusers pipeline that it takes the place of. */
export const VARIANT_FOLDER = 'transformer';

/** The record of a variant at a revision; null where there is none. */
export async function readVariant(hub: Hub, repo: RepoId, revision: string): Promise<VariantRecord | null> {
  const bytes = await hub.read({ type: 'model', repo }, revision, VARIANT_FILE);
  return bytes === null ? null : parseJson(bytes, VariantRecord, `${repo} ${VARIANT_FILE}`);
}

/** The variant that lies at a commit, whole; null where a file is missing or another one. */
export async function wholeVariant(
  hub: Hub,
  repo: RepoId,
  commit: CommitSha,
): Promise<ReleasedVariant | null> {
  const ref: RepoRef = { type: 'model', repo };
  if ((await hub.resolve(ref, commit)) === null) return null;
  const record = await readVariant(hub, repo, commit);
  if (record === null) return null;
  const listed = await hub.list(ref, commit, VARIANT_FOLDER);
  const isThere = record.files.every((file) =>
    listed.some(
      (f) =>
        f.path === file.path && f.bytes === file.bytes && (f.sha256 === null || f.sha256 === file.sha256),
    ),
  );
  return isThere ? { kind: record.kind, repo, commit, files: record.files } : null;
}

/** Throws `GateRefused` unless every variant that was asked for is on the Hub, whole, with the approved adapter in it. */
export async function verifyVariants(
  hub: Hub,
  p: { wanted: readonly VariantKind[]; made: readonly ReleasedVariant[]; adapterSha256: Sha256 },
): Promise<void> {
  for (const kind of p.wanted) {
    const made = p.made.find((v) => v.kind === kind);
    const whole = made === undefined ? null : await wholeVariant(hub, made.repo, made.commit);
    const record = whole === null ? null : await readVariant(hub, whole.repo, whole.commit);
    const got = record === null ? 'none that is whole' : `one of ${record.adapterSha256}`;
    if (record?.adapterSha256 !== p.adapterSha256)
      throw new PipelineError(
        'GateRefused',
        `Expected a variant "${kind}" (deployment.variants) of the approved adapter ${p.adapterSha256}, got ${got}: nothing is released`,
      );
  }
}
