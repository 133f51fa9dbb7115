import { z } from 'zod';

const Namespace = z
  .string()
  .regex(/^[A-Za-z0-9][\w.-]{0,95}$/, 'expected a Hub user or organization')
  .nullable()
  .default(null);
const Model = z
  .string()
  .regex(/^[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?$/, 'expected lower-case letters, digits and inner hyphens')
  .default('impressionist');

/** Input of `reevaluate`: judge again what is in production. */
export const ReevaluateInput = z
  .strictObject({
    /** Name of the model: its release repository is called so. */
    model: Model,
    /** Hub user or organization; null: the token's owner. */
    namespace: Namespace,
    /** What a verdict other than PASS leads to. */
    onFail: z.enum(['report', 'rollback']).default('report'),
  })
  .prefault({});
export type ReevaluateInput = z.infer<typeof ReevaluateInput>;

/** Input of `rollback`: put a model's earlier release back into production. */
export const RollbackInput = z
  .strictObject({
    /** Name of the model: its release repository is called so. */
    model: Model,
    /** Hub user or organization; null: the token's owner. */
    namespace: Namespace,
    /** Tag such as `v1`; null: the release before the one in production. */
    to: z
      .string()
      .regex(/^v[1-9]\d*$/, 'expected a release tag such as "v1"')
      .nullable()
      .default(null),
    /** Why, for the release's journal. */
    reason: z.string().min(1).max(500).default('rolled back by hand'),
    /** Who asks for it, for the journal; null: a client without a name. */
    by: z.string().min(1).max(200).nullable().default(null),
  })
  .prefault({});
export type RollbackInput = z.infer<typeof RollbackInput>;
