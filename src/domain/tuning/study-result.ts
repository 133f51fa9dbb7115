import { z } from 'zod';
import { Trial, TrialParameters } from './search-space.ts';
import { StudyRecord } from './study.ts';
import { Confirmation } from './top-k.ts';

/** What `tune` returns. */
export const StudyResult = z.strictObject({
  strategy: z.string(),
  trials: z.array(Trial),
  chosen: z.int(),
  parameters: TrialParameters,
  pruner: z.string(),
  confirmations: z.array(Confirmation),
  /** Why no further trial was started. */
  stopped: z.string(),
  /** How sure the choice is, in words. */
  sure: z.string(),
  /** Null while no worker has recorded it. */
  record: StudyRecord.nullable(),
});
export type StudyResult = z.infer<typeof StudyResult>;
