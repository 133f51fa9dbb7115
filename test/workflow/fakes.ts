import { Context } from '@temporalio/activity';
import type { RunConfig } from '../../src/domain/config/run-config.ts';
import type { PreparedDataset } from '../../src/domain/dataset/prepared-dataset.ts';
import type { Evaluation, GateDecision } from '../../src/domain/evaluation/decision.ts';
import { CommitSha, type FileRef, RepoId, RunName, Sha256 } from '../../src/domain/refs.ts';
import type { Release } from '../../src/domain/release/release.ts';
import type { GpuActivities, PipelineActivities } from '../../src/domain/run/activities.ts';
import type { RunContext } from '../../src/domain/run/context.ts';
import { runRepos } from '../../src/domain/run/repositories.ts';
import type { Training } from '../../src/domain/training/training.ts';

/** Ports' answers for tests of the workflows' own decisions; no claim about a phase rests on them. */
export const commit = CommitSha.parse('a'.repeat(40));
export const sha = Sha256.parse('b'.repeat(64));
const record = RepoId.parse('plein-air/test-record');
export const file = (path: string): FileRef => ({ type: 'dataset', repo: record, commit, path, sha256: sha });

export function contextOf(config: RunConfig, workflowId: string): RunContext {
  const run = RunName.parse(config.run ?? workflowId);
  return {
    run,
    workflowId,
    runId: 'run-id',
    config,
    namespace: 'plein-air',
    base: { type: 'model', repo: config.base.repo, commit },
    source: { type: 'dataset', repo: config.dataset.source, commit },
    repos: runRepos('plein-air', run, config.model),
  };
}

export function trainingOf(changes: Partial<Training> = {}): Training {
  return {
    outcome: 'done',
    step: 300,
    steps: 300,
    checkpoint: { type: 'model', repo: RepoId.parse('plein-air/test-checkpoints'), commit },
    path: 'checkpoints/step-00000300',
    adapterSha256: sha,
    heldOutLoss: 0.5,
    trainLoss: 0.4,
    repeatedSteps: 0,
    preemptions: 0,
    gpuSeconds: 1,
    ...changes,
  };
}

export const evaluation: Evaluation = {
  report: file('evaluation/report.json'),
  adapter: file('evaluation/adapter/pytorch_lora_weights.safetensors'),
  summary: 'measured',
};

export const gate = (verdict: GateDecision['verdict']): GateDecision => ({
  verdict,
  reasons: [`verdict ${verdict}`],
  record: file('evaluation/verdict.json'),
});

export const released: Release = {
  release: { repo: RepoId.parse('plein-air/impressionist'), tag: 'v1', commit, sha256: sha },
  space: null,
  previousTag: null,
  trial: null,
  cached: false,
};

export const preparedDataset: PreparedDataset = {
  dataset: { type: 'dataset', repo: record, commit },
  images: { train: 100, held_out: 20, test: 10, neighbors: 30 },
  dropped: { corrupt: 3 },
  cached: false,
};

/** Activities that answer at once; `changes` replace some, `calls` gets the names in order. */
export function activities(
  changes: Partial<PipelineActivities & GpuActivities> = {},
  calls: string[] = [],
): PipelineActivities & GpuActivities {
  const all: PipelineActivities & GpuActivities = {
    openRun: async ({ config, workflowId }) => contextOf(config, workflowId),
    planPreparation: async () => ({ done: preparedDataset }),
    planCaptions: async () => ({ pieces: [] }),
    captionPictures: async ({ piece }) => ({ piece, pictures: 1 }),
    assembleDataset: async () => preparedDataset,
    analyze: async () => ({
      verdict: 'ready',
      reasons: [],
      record: file('records/analysis.json'),
      cached: false,
    }),
    servedClasses: async () => [0],
    openStudy: async ({ context: { config } }) => ({
      earlier: [],
      enqueue: [],
      parallel: config.tuning.parallel ?? 1,
    }),
    suggest: async ({ trials, context }) => ({
      next: 'trial',
      number: trials.length,
      parameters: { learningRate: 1e-4 * (trials.length + 1) },
      toStep: context.config.tuning.steps,
      reason: '',
    }),
    recordStudy: async () => ({
      record: file('study/study.json'),
      report: file('study/index.html'),
      insight: { importances: [], certainty: [], rankAgreement: [] },
    }),
    judge: async () => gate('PASS'),
    publishRelease: async () => ({ ...released.release, cached: false }),
    makeVariants: async () => [],
    tryRelease: async () => ({ pictures: 4, distance: 0 }),
    deploy: async () => released,
    settleDeploy: async () => null,
    nameRelease: async () => ({ release: released.release.repo, space: null }),
    rollBack: async () => released,
    document: async () => ({
      report: file('report/index.html'),
      record: { type: 'dataset', repo: record, commit },
    }),
    notify: async () => undefined,
    openRelease: async () => {
      throw new Error('not part of this test');
    },
    train: async ({ stopAtStep }) => trainingOf(stopAtStep === null ? {} : { step: stopAtStep }),
    chooseCheckpoint: async ({ training }) => ({ training, record: null, reason: 'the last one' }),
    evaluate: async () => evaluation,
    measureTrial: async () => ({ style: null, copying: null, diversity: null, adherence: null }),
    ...changes,
  };
  return Object.fromEntries(
    Object.entries(all).map(([name, run]) => [
      name,
      (p: never) => {
        calls.push(name);
        return (run as (p: never) => Promise<unknown>)(p);
      },
    ]),
  ) as unknown as PipelineActivities & GpuActivities;
}

/** Waits inside an activity until it is asked to stop, as a trainer would. */
export async function stopped(): Promise<'stopped'> {
  const context = Context.current();
  const beat = setInterval(() => context.heartbeat(), 100);
  await context.cancelled.catch(() => undefined);
  clearInterval(beat);
  return 'stopped';
}
