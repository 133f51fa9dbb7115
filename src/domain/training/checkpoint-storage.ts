import type { BudgetConfig, CheckpointConfig, TrainingConfig } from '../config/run-config.ts';

/** What decides how much of the Hub a branch takes up. */
export interface StorageFacts {
  /** Bytes of one checkpoint. */
  checkpointBytes: number;
  steps: number;
  keepCheckpoints: TrainingConfig['keepCheckpoints'];
  keepEvery: CheckpointConfig['keepEvery'];
  squashEvery: CheckpointConfig['squashEvery'];
  /** Other branches, a study's, which keep their newest and best. */
  branches: number;
  /** Bytes of latents and text embeddings beside them; they are needed whole. */
  latentBytes: number;
}

/** Most checkpoints that a run holds at once: kept ones, and dropped ones that still wait for the next squash. */
export function mostCheckpoints(facts: StorageFacts): number {
  const { steps, keepCheckpoints, keepEvery, squashEvery, branches } = facts;
  const spread = keepEvery === null ? 0 : Math.floor(steps / keepEvery);
  return (keepCheckpoints + 1) * (1 + branches) + spread + squashEvery;
}

/** How checkpoints fit into a budget; `adjusted` names what had to give. */
export type StoragePlan =
  | { fits: true; bytes: number; keepEvery: number | null; squashEvery: number; adjusted: string[] }
  | { fits: false; bytes: number };

/**
 * Most bytes that a run's checkpoints take up, held under its budget: history is squashed more often first, then the
 * checkpoints kept along the way are thinned out. The newest ones and the best one are never given up: without them, it does not fit.
 */
export function planStorage(facts: StorageFacts, budget: Pick<BudgetConfig, 'storageGb'>): StoragePlan {
  const limit = budget.storageGb * 1e9 - facts.latentBytes;
  const bytesOf = (change: Partial<StorageFacts>) =>
    mostCheckpoints({ ...facts, ...change }) * facts.checkpointBytes;
  const adjusted: string[] = [];
  let { keepEvery, squashEvery } = facts;
  /** Checkpoints that there is still room for; negative: so many are too many. */
  const room = () => Math.floor((limit - bytesOf({ keepEvery, squashEvery })) / facts.checkpointBytes);
  if (room() < 0) {
    squashEvery = Math.max(1, squashEvery + room());
    if (squashEvery !== facts.squashEvery)
      adjusted.push(`history is squashed every ${squashEvery} checkpoints instead of ${facts.squashEvery}`);
  }
  if (room() < 0 && keepEvery !== null) {
    const spread = Math.floor(facts.steps / keepEvery) + room();
    keepEvery = spread < 1 ? null : Math.floor(facts.steps / (spread + 1)) + 1;
    adjusted.push(
      keepEvery === null
        ? 'no checkpoints are kept along the way'
        : `a checkpoint is kept every ${keepEvery} steps instead of ${facts.keepEvery}`,
    );
  }
  const bytes = bytesOf({ keepEvery, squashEvery });
  const all = bytes + facts.latentBytes;
  return bytes <= limit
    ? { fits: true, bytes: all, keepEvery, squashEvery, adjusted }
    : { fits: false, bytes: all };
}
