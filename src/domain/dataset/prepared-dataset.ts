import { z } from 'zod';
import { CommitRef } from '../refs.ts';

/** A dataset that training can start from: its repository at a commit, with the number of images per split. */
export const PreparedDataset = z.strictObject({
  dataset: CommitRef,
  images: z.strictObject({ train: z.int(), held_out: z.int(), test: z.int(), neighbors: z.int() }),
  /** Images left out, by reason. */
  dropped: z.record(z.string(), z.int()),
  /** Whether it already existed. */
  cached: z.boolean(),
});
export type PreparedDataset = z.infer<typeof PreparedDataset>;
