import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { pythonPath, readEnvironment } from '../../src/config/env.ts';
import { PROJECT } from '../../src/config/paths.ts';
import { ModelId } from '../../src/domain/config/evaluation-models.ts';
import { type CommitRef, RepoId, type RepoRef, RunName } from '../../src/domain/refs.ts';
import type { TrainRequest } from '../../src/domain/run/activities.ts';
import type { RunContext } from '../../src/domain/run/context.ts';
import { runRepos } from '../../src/domain/run/repositories.ts';
import type { Training } from '../../src/domain/training/training.ts';
import type { Trainer } from '../../src/trainer/trainer.ts';
import { attempt, openStand, type Stand, upload } from './training-stand.ts';

/** Pictures of a look. */
export const PICTURES = 32;
/** Paintings in drawn styles. */
export const painted: RepoRef = { type: 'dataset', repo: RepoId.parse('plein-air/painted') };

/** Small models of a real profile's classes, as repositories on the stand's Hub. */
export const MODELS = {
  features: ModelId.parse('plein-air/small-dinov2'),
  copies: ModelId.parse('plein-air/small-dinov2'),
  clip: ModelId.parse('plein-air/small-clip'),
};

/** A trained adapter, paintings to measure it by, and contexts of runs on it. */
export interface EvaluationStand {
  stand: Stand;
  warm: Trainer;
  dataset: CommitRef;
  training: Training;
  /** A run of its own on the one training: 16 prompts × 2 seeds of 64 pixels. */
  contextOf(run: string, change?: Partial<RunContext['config']>): RunContext;
}

const WRITE = `
import sys, painted_sets, small_models
from pathlib import Path
painted_sets.write_dataset(Path(sys.argv[1]))
small_models.dinov2(Path(sys.argv[2]) / "small-dinov2")
small_models.clip(Path(sys.argv[2]) / "small-clip")
`;

/** Trains once; `change` is of the training's request. */
export async function openEvaluationStand(
  change: (request: TrainRequest) => TrainRequest = (request) => request,
): Promise<EvaluationStand> {
  const stand = await openStand();
  const warm = stand.newTrainer();
  const folder = join(stand.root, 'painted');
  await execa(pythonPath(readEnvironment()), ['-c', WRITE, folder, stand.root], {
    env: { PYTHONPATH: join(PROJECT, 'gpu-worker', 'tests') },
  });
  await stand.hub.ensureRepo(painted);
  const names = await readdir(join(folder, 'data'));
  const files = names.map((name) => ({
    path: `data/${name}`,
    content: { file: join(folder, 'data', name) },
  }));
  const commit = await stand.hub.commit({ repo: painted, message: 'Upload', files });
  for (const id of [MODELS.features, MODELS.clip])
    await upload(
      stand.hub,
      { type: 'model', repo: RepoId.parse(id) },
      join(stand.root, id.split('/')[1] ?? ''),
    );
  const request = change(stand.request('trained'));
  const training = await attempt(stand, request, { trainer: warm }).result;
  return {
    ...{ stand, warm, training, dataset: { ...painted, commit } },
    contextOf: (run, changed = {}) => {
      const { context } = request;
      const evaluation: RunContext['config']['evaluation'] = {
        ...{ ...context.config.evaluation, promptSet: 'tiny-v1' },
        ...{ size: 64, inferenceSteps: 2, seedsPerPrompt: 2 },
      };
      const config = { ...context.config, evaluation, ...changed };
      return { ...context, config, repos: runRepos('plein-air', RunName.parse(run), config.model) };
    },
  };
}

/** A trainer that must not be needed. */
export const unused: Trainer = {
  pid: null,
  call: () => Promise.reject(new Error('the trainer was called')),
  checkpoint: () => undefined,
  kill: () => undefined,
  close: async () => undefined,
};
