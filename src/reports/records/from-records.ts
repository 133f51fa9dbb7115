import { DatasetManifest } from '../../domain/dataset/record.ts';
import type { CommitRef, CommitSha } from '../../domain/refs.ts';
import type { RunSummary, StoredSummary } from '../../domain/run/summary.ts';
import { CheckpointManifest } from '../../domain/training/checkpoint.ts';
import { TrainingLedger } from '../../domain/training/ledger.ts';
import { type MetricLine, mergeMetrics, parseMetricLog } from '../../domain/training/metric-log.ts';
import type { Training } from '../../domain/training/training.ts';
import type { Hub } from '../../hub/hub.ts';
import { parseJson } from '../../hub/verified-json.ts';
import { type EvaluationRecords, readEvaluationRecords } from './evaluation-records.ts';
import type { RunRecords } from './run-records.ts';

/** The report shows so many prompts and seeds; every picture is in the record repository. */
const SHOWN = { prompts: 24, seeds: 4 };
const CLOSEST = 6;
const MAX_VALIDATION_STEPS = 8;

/** Gathers what a run stored, each file at the commit that the summary names; what it did not reach is null or empty. */
export async function readRunRecords(
  hub: Hub,
  stored: StoredSummary,
  record: CommitSha | null,
): Promise<RunRecords> {
  const { summary, endpoint, gpuSessions } = stored;
  const { dataset, training, evaluation } = summary;
  const [manifest, contactSheets, trained, fingerprint, evaluated, validationImages] = await Promise.all([
    dataset === null ? null : readManifest(hub, dataset.dataset),
    readContactSheets(hub, summary),
    training === null ? NO_TRAINING : readTrainingRecords(hub, training.checkpoint),
    training === null ? {} : readFingerprint(hub, training),
    evaluation === null
      ? NO_EVALUATION
      : readEvaluationRecords(hub, { evaluation, gate: summary.gate, shown: SHOWN, closest: CLOSEST }),
    record === null ? [] : readValidationImages(hub, stored, record),
  ]);
  return {
    ...{ endpoint, summary, gpuSessions, manifest, contactSheets },
    ...{ ...trained, fingerprint, ...evaluated, validationImages },
  };
}

/** Validation images of the main branch, spread over the training when there are many. */
async function readValidationImages(
  hub: Hub,
  { summary, endpoint }: StoredSummary,
  commit: CommitSha,
): Promise<RunRecords['validationImages']> {
  const repo = { type: 'dataset', repo: summary.context.repos.record } as const;
  const listed = (await hub.list(repo, commit, 'samples/main')).flatMap(({ path }) => {
    const step = /step-(\d+)\.png$/.exec(path)?.[1];
    return step === undefined ? [] : [{ path, step: Number(step) }];
  });
  listed.sort((a, b) => a.step - b.step);
  const every = Math.ceil(listed.length / MAX_VALIDATION_STEPS);
  const chosen = listed.filter((_, i) => (listed.length - 1 - i) % Math.max(1, every) === 0);
  const read = await Promise.all(
    chosen.map(async ({ path, step }) => {
      const bytes = await hub.read(repo, commit, path);
      // By branch: the commit that holds it is the one that this report is about to become.
      const href = `${endpoint}/datasets/${repo.repo}/resolve/main/${path}`;
      return bytes === null ? [] : [{ step, path, bytes, href }];
    }),
  );
  return read.flat();
}

/** Curves and attempts of a branch. */
export type TrainingRecords = Pick<RunRecords, 'curves' | 'preemptionSteps' | 'attempts' | 'measuredAt'>;

/** What a run without a training has to show of one. */
export const NO_TRAINING: TrainingRecords = {
  curves: { loss: [], heldOut: [], learningRate: [] },
  preemptionSteps: [],
  attempts: [],
  measuredAt: {},
};
/** What a run without an evaluation has to show of one. */
export const NO_EVALUATION: EvaluationRecords = {
  gate: [],
  informative: [],
  problems: [],
  omitted: [],
  slices: [],
  encoder: null,
  samples: [],
  closest: [],
};

/** Curves and attempts of a branch of the checkpoint repository at one commit. */
export async function readTrainingRecords(hub: Hub, at: CommitRef): Promise<TrainingRecords> {
  const { type, repo, commit } = at;
  const read = (path: string) => hub.read({ type, repo }, commit, path);
  const [log, ledger] = await Promise.all([read('metrics.jsonl'), read('ledger.json')]);
  const logged = parseMetricLog(log?.toString('utf8') ?? '');
  const lines = mergeMetrics(logged);
  const curve = (key: string) =>
    lines.flatMap(({ step, values }) => {
      const value = values[key];
      return value === undefined ? [] : [{ step, value }];
    });
  const attempts = ledger === null ? [] : parseJson(ledger, TrainingLedger, `${repo} ledger.json`).attempts;
  return {
    curves: { loss: curve('loss'), heldOut: curve('heldOutLoss'), learningRate: curve('learningRate') },
    preemptionSteps: attempts.filter((a) => a.ended === 'preempted').map((a) => a.reached),
    attempts,
    measuredAt: measuredAt(logged),
  };
}

function measuredAt(lines: readonly MetricLine[]): RunRecords['measuredAt'] {
  const times: RunRecords['measuredAt'] = {};
  for (const { attempt, at } of lines) {
    const { first, last } = times[attempt] ?? { first: at, last: at };
    times[attempt] = { first: Math.min(first, at), last: Math.max(last, at) };
  }
  return times;
}

/** A prepared dataset's manifest; null where there is none. */
export async function readManifest(hub: Hub, dataset: CommitRef): Promise<DatasetManifest | null> {
  const bytes = await hub.read({ type: dataset.type, repo: dataset.repo }, dataset.commit, 'manifest.json');
  return bytes === null ? null : parseJson(bytes, DatasetManifest, `${dataset.repo} manifest.json`);
}

/** Software, device and settings that the final checkpoint's manifest names; empty where there is no manifest. */
async function readFingerprint(hub: Hub, training: Training): Promise<RunRecords['fingerprint']> {
  return (await readCheckpointManifest(hub, training))?.fingerprint ?? {};
}

/** The final checkpoint's manifest; null where there is none. */
export async function readCheckpointManifest(
  hub: Hub,
  { checkpoint, path }: Training,
): Promise<CheckpointManifest | null> {
  const repo = { type: checkpoint.type, repo: checkpoint.repo };
  const bytes = await hub.read(repo, checkpoint.commit, `${path}/manifest.json`);
  return bytes === null ? null : parseJson(bytes, CheckpointManifest, `${repo.repo} ${path}`);
}

async function readContactSheets(hub: Hub, summary: RunSummary): Promise<RunRecords['contactSheets']> {
  if (summary.analysis === null) return { kept: null, dropped: null };
  const { type, repo, commit } = summary.analysis.record;
  const [kept, dropped] = await Promise.all(
    ['kept', 'dropped'].map((name) => hub.read({ type, repo }, commit, `records/${name}.png`)),
  );
  return { kept: kept ?? null, dropped: dropped ?? null };
}
