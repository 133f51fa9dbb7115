import type { RunConfig } from '../config/run-config.ts';
import type { ReleasedVariant } from '../config/variants.ts';
import type { Analysis } from '../dataset/analysis-result.ts';
import type { PreparedDataset } from '../dataset/prepared-dataset.ts';
import type { Approval, Evaluation, GateDecision } from '../evaluation/decision.ts';
import type { CommitRef, CommitSha, FileRef, RepoId, Sha256 } from '../refs.ts';
import type { Release } from '../release/release.ts';
import type { Training } from '../training/training.ts';
import type { Trial, TrialParameters } from '../tuning/search-space.ts';
import type { StudyMove, StudyRecord, StudyState } from '../tuning/study.ts';
import type { RunContext } from './context.ts';
import type { GpuClass } from './gpu-class.ts';
import type { Notice } from './notices.ts';
import type { RunSummary } from './summary.ts';

/** What an operator has set up around the runs; asked once, so that a replay decides the same. */
export interface Operations {
  /** All of `PleinAirPhase`, `PleinAirState`, `PleinAirVerdict`, `PleinAirModel` are registered. */
  searchAttributes: boolean;
  /** A webhook is configured. */
  notifications: boolean;
}

/** What is left to do for a dataset: nothing, or pictures by shard, each a piece of work that any worker can take. */
export type PreparationPlan =
  | { done: PreparedDataset }
  | {
      done: null;
      /** Private dataset repository of the work in progress: `plan.json`, `tasks/…`, `shards/…`; gone at the end. */
      work: RepoId;
      /** Shards to prepare, by their number among the source's files, and how many pictures each holds. */
      shards: { shard: number; pictures: number }[];
    };

/** A shard whose pictures are prepared and on the Hub. */
export interface PreparedShard {
  shard: number;
  kept: number;
  dropped: number;
}

/** Pictures to be described, in pieces that any GPU worker can take. */
export interface CaptionPieces {
  pieces: { piece: number; pictures: number }[];
}

/** A piece whose captions are on the Hub; no pictures: they were there already. */
export interface CaptionedPictures {
  piece: number;
  pictures: number;
}

export interface TrainRequest {
  context: RunContext;
  dataset: CommitRef;
  /** `main` for the run's own training, `trial-3` for a tuning trial: a folder of the checkpoint repository's branches. */
  branch: string;
  /** Overrides of the configuration's training fields. */
  parameters: TrialParameters;
  /** Stop at this step; null: at `training.steps`. */
  stopAtStep: number | null;
  /** TrainingBranch whose newest checkpoint this one starts from while it has none of its own; it was trained with the same settings. */
  continueFrom?: string;
  acceptDifferences: string[];
}

/** The checkpoint that goes to the gate. */
export interface ChosenCheckpoint {
  /** The training with that checkpoint in place of its last one. */
  training: Training;
  /** `records/checkpoints.json`; null: there was nothing to choose. */
  record: FileRef | null;
  /** In words. */
  reason: string;
}

/** A release that is on the Hub under its tag, but not in production. */
export interface ReleaseCandidate {
  repo: RepoId;
  tag: string;
  commit: CommitSha;
  /** Of the adapter. */
  sha256: Sha256;
  cached: boolean;
}

/** What loading a candidate from the Hub and painting with it showed. */
export interface CandidateTrial {
  /** Pictures painted. */
  pictures: number;
  /** Largest distance to the pictures that the gate judged, 0 to 1 seen from afar; 0: the very same pixels. */
  distance: number;
}

/** What a deployment is made from. */
export interface DeployRequest {
  context: RunContext;
  dataset: PreparedDataset;
  training: Training;
  evaluation: Evaluation;
  gate: GateDecision;
  approval: Approval | null;
  /** Whole transformers that the release names, as `deployment.variants` asks for them; absent: none. */
  variants?: ReleasedVariant[];
}

export interface Documents {
  /** `report/index.html` in the record repository. */
  report: FileRef;
  /** The record repository at the commit that holds everything. */
  record: CommitRef;
}

/** A release in production with the records it was made from. */
export interface ProductionModel {
  tag: string;
  /** The context of the run that made it, its record repository replaced by the model's re-evaluation records. */
  context: RunContext;
  dataset: CommitRef;
  training: Training;
  operations?: Operations;
}

/** Activities on queue `pipeline`: CPU, network, no GPU. */
export interface PipelineActivities {
  /** Names and resolves everything that the run refers to; creates its repositories. */
  openRun(p: {
    config: RunConfig;
    workflowId: string;
    runId: string;
  }): Promise<RunContext & { operations?: Operations }>;
  /** Reads the source's labels and lays the work out by shard; answers with the dataset where it is there already. */
  planPreparation(p: { context: RunContext }): Promise<PreparationPlan>;
  /** Chooses the pictures that stay and lays out, in pieces, what is to be described of them. */
  planCaptions(p: { context: RunContext; work: RepoId }): Promise<CaptionPieces>;
  /** Compares all pictures, deals them into splits, publishes the dataset and removes the work in progress. */
  assembleDataset(p: { context: RunContext; work: RepoId }): Promise<PreparedDataset>;
  analyze(p: { context: RunContext; dataset: PreparedDataset }): Promise<Analysis>;
  /** What a study starts from: trials of an earlier one, and how many GPU workers there are. */
  openStudy(p: { context: RunContext }): Promise<Pick<StudyState, 'earlier' | 'enqueue' | 'parallel'>>;
  /** The next move of a study: a pure function of its trials and seed. */
  suggest(p: {
    context: RunContext;
    trials: Trial[];
    earlier?: Trial[];
    enqueue?: TrialParameters[];
    /** Whether a new trial may be started; default: yes. */
    mayStart?: boolean;
  }): Promise<StudyMove>;
  /** Stores a finished study with its report. */
  recordStudy(p: { context: RunContext; study: StudyState; chosen: number }): Promise<StudyRecord>;
  /** Reads the report from the Hub, decides, stores the verdict. */
  judge(p: { context: RunContext; evaluation: Evaluation; look?: number }): Promise<GateDecision>;
  /** Re-verifies verdict and bytes and publishes them as the next tag; nothing of what is served changes. */
  publishRelease(p: DeployRequest): Promise<ReleaseCandidate>;
  /** Publishes unless that was done, updates the Space, tries it, moves `production`. */
  deploy(p: DeployRequest): Promise<Release>;
  /** Ends a deployment that failed half-way: what was there is put back; in words what was done, null: nothing. */
  settleDeploy(p: DeployRequest & { reason: string }): Promise<string | null>;
  /** Full names of a model's repositories; `space` is null where none was published. */
  nameRelease(p: {
    model: string;
    namespace: string | null;
  }): Promise<{ release: RepoId; space: RepoId | null; operations?: Operations }>;
  /** Moves `production` and the Space back to a release. */
  rollBack(p: {
    release: RepoId;
    space: RepoId | null;
    toTag: string | null;
    reason: string;
    /** Who asked for it; absent: a schedule or a client without a name. */
    by?: string | null;
  }): Promise<Release>;
  document(p: { summary: RunSummary }): Promise<Documents>;
  /** Classes of accelerators that machines ask for work with right now, their own ones. */
  servedClasses(): Promise<GpuClass[]>;
  /** Tells people by webhook; at once done where none is configured. */
  notify(p: Notice): Promise<void>;
  /** Finds what a model's `production` serves and how it was made; `BadData` when nothing was released yet. */
  openRelease(p: {
    model: string;
    namespace: string | null;
    workflowId: string;
    runId: string;
  }): Promise<ProductionModel>;
}

/** Activities on queue `pictures`: a worker takes one at a time, for it uses every core. */
export interface PictureActivities {
  /** Reads, cleans and resizes the wanted pictures of one shard and puts them into the work repository. */
  prepareShard(p: { context: RunContext; work: RepoId; shard: number }): Promise<PreparedShard>;
}

/** A trial's figures besides its held-out loss; null: not asked for. */
export interface TrialMeasures {
  style: number | null;
  copying: number | null;
  diversity: number | null;
  adherence: number | null;
}

/** Activities on queue `gpu`: they need the trainer. */
export interface GpuActivities {
  /** Has the pictures of one piece described by the captioning model, and puts its words into the work repository. */
  captionPictures(p: { context: RunContext; work: RepoId; piece: number }): Promise<CaptionedPictures>;
  train(p: TrainRequest): Promise<Training>;
  /** Samples and measures a trial as far as its study's goals and limits need it. */
  measureTrial(p: { context: RunContext; dataset: CommitRef; training: Training }): Promise<TrialMeasures>;
  /** Samples a few checkpoints near the least held-out loss on prompts of their own and takes the earliest that wins. */
  chooseCheckpoint(p: {
    context: RunContext;
    dataset: CommitRef;
    training: Training;
  }): Promise<ChosenCheckpoint>;
  /** Paints and measures the standard samples; look 2 asks every prompt for as many seeds again, and so on. */
  evaluate(p: {
    context: RunContext;
    dataset: CommitRef;
    training: Training;
    look?: number;
  }): Promise<Evaluation>;
  /** Adds the judged adapter to the base's weights, as `deployment.variants` asks, tries and uploads what comes out. */
  makeVariants(p: { context: RunContext; evaluation: Evaluation }): Promise<ReleasedVariant[]>;
  /** Loads a candidate from the Hub and paints with it as a user would; `Unhealthy` unless it paints what was judged. */
  tryRelease(p: {
    context: RunContext;
    candidate: ReleaseCandidate;
    evaluation: Evaluation;
  }): Promise<CandidateTrial>;
}

/** What a GPU activity reports while it works: details of its heartbeats, and what `status` shows. */
export interface GpuProgress {
  stage: string;
  done: number;
  total: number;
  etaSeconds: number | null;
  /** Newest figures: loss, heldOutLoss, learningRate, … */
  metrics: Record<string, number>;
  lastCheckpoint: { step: number; commit: string; at: number } | null;
}
