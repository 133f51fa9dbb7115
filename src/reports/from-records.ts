import type { Evaluation, GateDecision, RunContext, Training } from '../domain/activities.ts';
import { DatasetManifest } from '../domain/dataset-record.ts';
import type { CommitRef } from '../domain/refs.ts';
import type { Hub } from '../hub/hub.ts';
import { parseJson } from '../hub/verified-json.ts';
import { parseMetricLog } from './metric-log.ts';
import type { AttemptRow, ClosestPair, GateRow, RunRecords, SampleRow } from './run-records.ts';

export interface EvaluationRecords {
  gate: GateRow[];
  informative: GateRow[];
  samples: SampleRow[];
  closest: ClosestPair[];
}

/** What the evaluation and the gate stored: rules with figures, standard samples, closest training pictures. */
export async function readEvaluationRecords(
  _hub: Hub,
  _p: { context: RunContext; evaluation: Evaluation; gate: GateDecision | null },
): Promise<EvaluationRecords> {
  return { gate: [], informative: [], samples: [], closest: [] };
}

/** Curves and attempts of a training, from the checkpoint repository. */
export async function readTrainingRecords(
  hub: Hub,
  training: Training,
): Promise<Pick<RunRecords, 'curves' | 'preemptionSteps'> & { attempts: AttemptRow[] }> {
  const repo = { type: training.checkpoint.type, repo: training.checkpoint.repo };
  const text = await hub.read(repo, training.checkpoint.commit, 'metrics.jsonl');
  return { curves: parseMetricLog(text?.toString('utf8') ?? ''), preemptionSteps: [], attempts: [] };
}

/** A prepared dataset's manifest; null where there is none. */
export async function readManifest(hub: Hub, dataset: CommitRef): Promise<DatasetManifest | null> {
  const bytes = await hub.read({ type: dataset.type, repo: dataset.repo }, dataset.commit, 'manifest.json');
  return bytes === null ? null : parseJson(bytes, DatasetManifest, `${dataset.repo} manifest.json`);
}
