import { z } from 'zod';
import { Sha256 } from '../refs.ts';

/** One attempt at a branch's training, from taking the fence to its end, whoever ended it. */
export const AttemptRecord = z.strictObject({
  /** Fencing token. */
  token: z.int().min(1),
  /** Temporal's workflow, run, activity and attempt, for people. */
  owner: z.string(),
  /** Worker that it ran on, as Temporal names it: `gpu@host:pid`; absent: not told. */
  machine: z.string().optional(),
  runId: z.string(),
  /** Milliseconds since the epoch. */
  startedAt: z.number(),
  resumedFrom: z.int().min(0),
  /** Last step known to have been done; between two checkpoints known from heartbeats only. */
  reached: z.int().min(0),
  /** Checkpoints that it published. */
  checkpoints: z.int().min(0),
  /** Packs of latents that it put on the Hub. */
  packs: z.int().min(0).default(0),
  gpuSeconds: z.number().min(0),
  /** `preempted`: it vanished; its successor says so. */
  ended: z.enum(['running', 'done', 'stopped', 'failed', 'preempted']),
  failure: z.string().nullable(),
  /** Checkpoints that it found damaged and passed over. */
  damaged: z.array(z.string()),
  /** Differences to the checkpoint it went on from, as its fingerprint has them; accepted by the run's configuration. */
  accepted: z.array(z.string()).default([]),
});
export type AttemptRecord = z.infer<typeof AttemptRecord>;

/** What a branch's training ended with; `key` is the hash of everything that decides it. */
export const BranchResult = z.strictObject({
  key: Sha256,
  step: z.int().min(0),
  steps: z.int().min(1),
  path: z.string(),
  adapterSha256: Sha256,
  heldOutLoss: z.number().nullable(),
  trainLoss: z.number().nullable(),
});
export type BranchResult = z.infer<typeof BranchResult>;

/** `ledger.json` of a branch: its attempts in order, and its result once there is one. */
export const TrainingLedger = z.strictObject({
  format: z.literal(1),
  branch: z.string(),
  attempts: z.array(AttemptRecord),
  result: BranchResult.nullable(),
  /** sha256 of large files that went with dropped checkpoints and still wait to be freed. */
  pendingDeletions: z.array(Sha256).default([]),
});
export type TrainingLedger = z.infer<typeof TrainingLedger>;

/** `latest.json` of a branch: its newest checkpoint. */
export const LatestCheckpoint = z.strictObject({
  format: z.literal(1),
  step: z.int().min(0),
  path: z.string(),
  manifestSha256: Sha256,
});
export type LatestCheckpoint = z.infer<typeof LatestCheckpoint>;

/** A branch nobody has worked on. */
export function emptyLedger(branch: string): TrainingLedger {
  return { format: 1, branch, attempts: [], result: null, pendingDeletions: [] };
}

/** What a vanished attempt had last reported in its heartbeats. */
export interface LastSeen {
  step: number | null;
  gpuSeconds: number | null;
  packs: number | null;
}

/** Begins an attempt; one that is still open before it has vanished, and is closed with what it had last reported. */
export function beginAttempt(ledger: TrainingLedger, attempt: AttemptRecord, seen: LastSeen): TrainingLedger {
  const before = ledger.attempts.map((old, index): AttemptRecord => {
    if (old.ended !== 'running') return old;
    const last = index === ledger.attempts.length - 1;
    return {
      ...old,
      ended: 'preempted',
      reached: Math.max(old.reached, last ? (seen.step ?? 0) : 0),
      gpuSeconds: Math.max(old.gpuSeconds, last ? (seen.gpuSeconds ?? 0) : 0),
      packs: Math.max(old.packs, last ? (seen.packs ?? 0) : 0),
    };
  });
  return { ...ledger, attempts: [...before, attempt], result: null };
}

/** The ledger with its newest attempt changed. */
export function updateAttempt(ledger: TrainingLedger, change: Partial<AttemptRecord>): TrainingLedger {
  const newest = ledger.attempts.at(-1);
  if (newest === undefined) throw new TypeError('expected an attempt in the ledger, got none');
  return { ...ledger, attempts: [...ledger.attempts.slice(0, -1), { ...newest, ...change }] };
}

/** Sums over all attempts: vanished ones, steps done more than once, seconds on the accelerator. */
export function ledgerTotals({ attempts }: TrainingLedger): {
  preemptions: number;
  repeatedSteps: number;
  gpuSeconds: number;
} {
  const repeated = attempts.map((attempt, index) =>
    Math.max(0, (attempts[index - 1]?.reached ?? attempt.resumedFrom) - attempt.resumedFrom),
  );
  return {
    preemptions: attempts.filter(({ ended }) => ended === 'preempted').length,
    repeatedSteps: repeated.reduce((sum, steps) => sum + steps, 0),
    gpuSeconds: attempts.reduce((sum, { gpuSeconds }) => sum + gpuSeconds, 0),
  };
}

/** Checkpoints that all attempts have published. */
export function publishedCheckpoints({ attempts }: TrainingLedger): number {
  return attempts.reduce((sum, { checkpoints }) => sum + checkpoints, 0);
}

/** How many attempts of a workflow run, counted back from the newest, left nothing on the Hub: neither a checkpoint nor latents. */
export function attemptsWithoutProgress({ attempts }: TrainingLedger, runId: string): number {
  const own = attempts.filter((attempt) => attempt.runId === runId);
  const fruitful = own.findLastIndex(
    ({ checkpoints, packs, ended }) => checkpoints > 0 || packs > 0 || ended === 'stopped',
  );
  return own.length - 1 - fruitful;
}
