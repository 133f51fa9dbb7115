import { z } from 'zod';
import { CommitRef, CommitSha, RepoId, Sha256 } from '../refs.ts';

/**
 * Whole transformers that can be released beside the adapter: the base's with the adapter in its weights (`fused`), and
 * that one in int8 (torchao) or NF4 (bitsandbytes), at about a half and a quarter of bf16's size.
 */
export const VariantKind = z.enum(['fused', 'int8', 'nf4']);
export type VariantKind = z.infer<typeof VariantKind>;

/** One file of a variant, by its path in the variant's repository. */
const VariantFile = z.strictObject({ path: z.string().min(1), bytes: z.int().min(0), sha256: Sha256 });

/** A variant as it lies on the Hub: in a repository of its own, named after the release's. */
export const ReleasedVariant = z.strictObject({
  kind: VariantKind,
  repo: RepoId,
  commit: CommitSha,
  files: z.array(VariantFile),
});
export type ReleasedVariant = z.infer<typeof ReleasedVariant>;

/** `variant.json` of a variant's repository: what it was made from, and how its pictures were. */
export const VariantRecord = z.strictObject({
  format: z.literal(1),
  kind: VariantKind,
  /** Identity of all that it was made from: the same key, the same files. */
  key: Sha256,
  adapterSha256: Sha256,
  base: CommitRef,
  run: z.string(),
  files: z.array(VariantFile),
  /** Pictures painted with it, and the largest distance to those that the gate judged: 0 to 1, seen from afar. */
  trial: z.strictObject({ pictures: z.int(), distance: z.number() }),
});
export type VariantRecord = z.infer<typeof VariantRecord>;

/** Name of a variant's repository. */
export function variantRepo(release: RepoId, kind: VariantKind): RepoId {
  return RepoId.parse(`${release}-${kind}`);
}
