import { EVALUATION_FOLDER } from '../../activities/evaluate/cache-key.ts';
import type { RunConfig } from '../../domain/config/run-config.ts';
import { PipelineError } from '../../domain/errors.ts';
import { Verdict } from '../../domain/evaluation/gate.ts';
import type { CommitRef, CommitSha, RepoRef, RunName } from '../../domain/refs.ts';
import { RUN_RECORD, RunRecord } from '../../domain/run/context.ts';
import { runRepos } from '../../domain/run/repositories.ts';
import { type RunSummary, StoredSummary, SUMMARY_RECORD } from '../../domain/run/summary.ts';
import type { AttemptRecord } from '../../domain/training/ledger.ts';
import type { Hub } from '../../hub/hub.ts';
import { jsonOrNull } from '../../hub/verified-json.ts';
import type { CurvePoint } from '../../reports/figures/plots.ts';
import { StoredSamples } from '../../reports/records/evaluation-records.ts';
import {
  NO_TRAINING,
  readTrainingRecords,
  type TrainingRecords,
} from '../../reports/records/from-records.ts';
import { downsample } from './downsample.ts';

/** The same prompts and seeds as base, candidate and production painted them: paths in the record repository. */
export interface SamplePair {
  id: string;
  prompt: string;
  seed: number;
  base: string;
  candidate: string;
  production: string | null;
}

/** What a run has stored on the Hub so far; what it did not reach is empty or null. */
export interface StoredRun {
  repos: { record: RepoRef; checkpoints: RepoRef };
  config: RunConfig | null;
  /** Commit of the record repository that the paths below are at. */
  record: CommitSha | null;
  checkpoints: CommitSha | null;
  /** Validation images by step: strips of the same captions and noise. */
  strips: { step: number; path: string }[];
  samples: SamplePair[];
  verdict: Verdict | null;
  /** What the run knew at its end. */
  summary: RunSummary | null;
  curves: { loss: CurvePoint[]; heldOut: CurvePoint[]; learningRate: CurvePoint[] };
  /** Points in the log before they were thinned out. */
  points: number;
  attempts: AttemptRecord[];
  /** Steps of the checkpoints that are on the Hub. */
  saved: number[];
  /** Contact sheets, such as `kept`. */
  sheets: string[];
  hasReport: boolean;
  /** What of it cannot be read, in sentences. */
  problems: string[];
}

const NOTHING: Omit<StoredRun, 'repos'> = {
  ...{ config: null, record: null, checkpoints: null, strips: [], samples: [], verdict: null, summary: null },
  curves: { loss: [], heldOut: [], learningRate: [] },
  ...{ points: 0, attempts: [], saved: [], sheets: [], hasReport: false, problems: [] },
};

/** Points of a curve that a page shows: more than a screen has columns. */
const MAX_POINTS = 500;
const MAX_SAMPLES = 48;

/** A run's repositories. */
export function storedRepos(namespace: string, run: RunName): { record: RepoRef; checkpoints: RepoRef } {
  const { record, checkpoints } = runRepos(namespace, run, 'any');
  return { record: { type: 'dataset', repo: record }, checkpoints: { type: 'model', repo: checkpoints } };
}

/** Reads what a run has stored; of a commit that it knows already it reads nothing again. */
export function createStoredRunReader(
  hub: Hub,
  repos: { record: RepoRef; checkpoints: RepoRef },
): () => Promise<StoredRun> {
  let known: StoredRun = { ...NOTHING, repos };
  return async () => {
    const [record, checkpoints] = await Promise.all([
      hub.resolve(repos.record),
      hub.resolve(repos.checkpoints),
    ]);
    const [recorded, trained] = await Promise.all([
      record === known.record || record === null ? {} : readRecord(hub, repos.record, record),
      checkpoints === known.checkpoints || checkpoints === null
        ? {}
        : readCheckpoints(hub, repos.checkpoints, checkpoints),
    ]);
    known = { ...known, ...recorded, ...trained };
    return known;
  };
}

async function readRecord(hub: Hub, repo: RepoRef, commit: CommitSha): Promise<Partial<StoredRun>> {
  const [files, run, samples, verdict, summary] = await Promise.all([
    hub.list(repo, commit),
    hub.read(repo, commit, RUN_RECORD),
    hub.read(repo, commit, `${EVALUATION_FOLDER}/samples.json`),
    hub.read(repo, commit, `${EVALUATION_FOLDER}/verdict.json`),
    hub.read(repo, commit, SUMMARY_RECORD),
  ]);
  const paths = new Set(files.map(({ path }) => path));
  const numbered = [...paths].flatMap((path) => {
    const step = /^samples\/main\/step-(\d+)\.png$/.exec(path)?.[1];
    return step === undefined ? [] : [{ step: Number(step), path }];
  });
  return {
    record: commit,
    config: run === null ? null : (RunRecord.safeParse(jsonOrNull(run)).data?.config ?? null),
    strips: numbered.sort((a, b) => a.step - b.step),
    samples: samples === null ? [] : pairsOf(StoredSamples.safeParse(jsonOrNull(samples)).data ?? [], paths),
    verdict: verdict === null ? null : (Verdict.safeParse(jsonOrNull(verdict)).data ?? null),
    summary: summary === null ? null : (StoredSummary.safeParse(jsonOrNull(summary)).data?.summary ?? null),
    sheets: ['kept', 'borderline', 'dropped'].filter((name) => paths.has(`records/${name}.png`)),
    hasReport: paths.has('report/index.html'),
  };
}

/** One sample of every genre after the other, so that the first few show all of them; as far as there is room. */
function pairsOf(listed: StoredSamples, paths: Set<string>): SamplePair[] {
  const at = (folder: string, id: string) => {
    const path = `${EVALUATION_FOLDER}/${folder}/${id}.png`;
    return paths.has(path) ? path : null;
  };
  const seen = new Map<string, number>();
  const ranked = listed.map((sample) => {
    const rank = seen.get(sample.genre) ?? 0;
    seen.set(sample.genre, rank + 1);
    return { sample, rank };
  });
  return ranked
    .sort((a, b) => a.rank - b.rank)
    .slice(0, MAX_SAMPLES)
    .flatMap(({ sample: { id, prompt, seed } }) => {
      const [base, candidate] = [at('base', id), at('candidate', id)];
      if (base === null || candidate === null) return [];
      return [{ id, prompt, seed, base, candidate, production: at('rivals/production', id) }];
    });
}

/** Curves and attempts; records of another version cost themselves and nothing else. */
async function readTraining(hub: Hub, at: CommitRef): Promise<TrainingRecords & { problems: string[] }> {
  try {
    return { ...(await readTrainingRecords(hub, at)), problems: [] };
  } catch (error) {
    if (!(error instanceof PipelineError) || error.kind !== 'Corrupt') throw error;
    return { ...NO_TRAINING, problems: [error.message] };
  }
}

async function readCheckpoints(hub: Hub, repo: RepoRef, commit: CommitSha): Promise<Partial<StoredRun>> {
  const [trained, files] = await Promise.all([
    readTraining(hub, { ...repo, commit }),
    hub.list(repo, commit, 'checkpoints'),
  ]);
  const saved = files.flatMap(({ path }) => {
    const step = /^checkpoints\/step-(\d+)\/manifest\.json$/.exec(path)?.[1];
    return step === undefined ? [] : [Number(step)];
  });
  const { curves, attempts, problems } = trained;
  const thin = (points: CurvePoint[]) => downsample(points, MAX_POINTS);
  return {
    checkpoints: commit,
    curves: {
      loss: thin(curves.loss),
      heldOut: thin(curves.heldOut),
      learningRate: thin(curves.learningRate),
    },
    points: curves.loss.length,
    ...{ attempts, problems },
    saved: saved.sort((a, b) => a - b),
  };
}
