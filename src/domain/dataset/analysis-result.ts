import { z } from 'zod';
import { FileRef } from '../refs.ts';

/** Whether a prepared dataset is fit to train on. */
export const Analysis = z.strictObject({
  verdict: z.enum(['ready', 'warnings', 'blocked']),
  /** Sentences for people. */
  reasons: z.array(z.string()),
  /** `records/analysis.json` in the record repository. */
  record: FileRef,
  cached: z.boolean(),
});
export type Analysis = z.infer<typeof Analysis>;
