import { z } from 'zod';
import { GateRule } from '../config/gate-config.ts';
import { RunConfig } from '../config/run-config.ts';
import { SourceContents } from '../dataset/record.ts';
import { CommitRef, RepoId, RunName, Sha256 } from '../refs.ts';

/** The repositories of a run. */
export const RunRepos = z.strictObject({
  /** model, private: `fence.json`, `checkpoints/…`, `latest.json`, `metrics.jsonl`. */
  checkpoints: RepoId,
  /** dataset, private: `records/<phase>.json`, `evaluation/…`, `report/…`. */
  record: RepoId,
  /** model: releases as tags `v1`, `v2`, …, branch `production`. */
  release: RepoId,
  /** space. */
  space: RepoId,
});
export type RunRepos = z.infer<typeof RunRepos>;

/** Everything that a run refers to by name, at the commits that it is pinned to. */
const pinned = {
  config: RunConfig,
  /** Base model. */
  base: CommitRef,
  /** Source dataset. */
  source: CommitRef,
  /** Dataset that other styles are taken from; absent: the source itself. */
  reference: CommitRef.optional(),
  /** What source and reference hold, the same on every Hub; absent: not known. */
  contents: SourceContents.optional(),
  /** Captioning model; absent: captions come from the genre. */
  captioner: CommitRef.optional(),
  /** Which set of sealed prompts and seeds the gate asks; absent: the first. */
  rotation: z.int().min(0).optional(),
};

/** A run as its activities see it: what does not change from phase to phase. */
export const RunContext = z.strictObject({
  run: RunName,
  /** Temporal ids, for records and fencing. */
  workflowId: z.string(),
  runId: z.string(),
  /** Hub user or organization that owns the repositories. */
  namespace: z.string(),
  ...pinned,
  repos: RunRepos,
});
export type RunContext = z.infer<typeof RunContext>;

/** Path of a run's record in its record repository. */
export const RUN_RECORD = 'records/run.json';

/** `records/run.json`: what a run was started with and which commits it is pinned to. */
export const RunRecord = z.strictObject({
  format: z.literal(1),
  ...pinned,
  /** What later starts of the same run changed, oldest first; `config` has it in place. */
  amendments: z
    .array(z.strictObject({ workflowRunId: z.string(), changed: z.record(z.string(), z.unknown()) }))
    .default([]),
  /** The workflow that runs it, or ran it last. */
  owner: z.strictObject({ workflowId: z.string(), runId: z.string() }).optional(),
  /** The gate's rules as they stood before training, and the sha256 of `rulesText`. */
  gate: z.strictObject({ rules: z.array(GateRule), sha256: Sha256 }).optional(),
});
export type RunRecord = z.infer<typeof RunRecord>;
