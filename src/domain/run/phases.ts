import { z } from 'zod';

/** The phases of a run, in their order: the pipeline. */
export const PHASES = [
  'prepare',
  'analyze',
  'tune',
  'train',
  'evaluate',
  'gate',
  'deploy',
  'document',
] as const;
export const Phase = z.enum(PHASES);
export type Phase = z.infer<typeof Phase>;

export const PhaseStatus = z.enum(['pending', 'running', 'done', 'cached', 'skipped', 'failed', 'cancelled']);
export type PhaseStatus = z.infer<typeof PhaseStatus>;

/** How one phase of a run went; times are milliseconds since the epoch. */
export const PhaseRecord = z.strictObject({
  name: Phase,
  status: PhaseStatus,
  startedAt: z.number().nullable(),
  endedAt: z.number().nullable(),
  /** One line for people: what came out, or why it failed. */
  result: z.string(),
});
export type PhaseRecord = z.infer<typeof PhaseRecord>;
