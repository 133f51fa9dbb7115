import type { EvaluationModels, ModelRole } from '../../domain/config/evaluation-models.ts';
import { MODEL_ROLES, splitModelId } from '../../domain/config/evaluation-models.ts';
import type { TuningObjective } from '../../domain/config/tuning-config.ts';
import { PipelineError } from '../../domain/errors.ts';
import { CommitRef, type CommitSha, RepoId } from '../../domain/refs.ts';
import type { VerbParams } from '../../domain/trainer-protocol.ts';
import type { Hub } from '../../hub/hub.ts';
import type { GpuCalls } from '../support/gpu-calls.ts';
import { copyLocally } from '../support/model-cache.ts';

/** A model behind a metric, at the commit that its name stood for. */
export interface PinnedModel {
  role: ModelRole;
  repo: string;
  commit: CommitSha;
}

/** Roles behind the figures that a checkpoint is chosen by: style and diversity, and copying as the gate measures it. */
export const CHOICE_ROLES: readonly ModelRole[] = ['features', 'copies'];

/** Roles behind the figures that a study asks of a trial. */
export function trialRoles({ maxCopying, minAdherence }: TuningObjective): ModelRole[] {
  return [
    'features',
    ...(maxCopying === null ? [] : (['copies'] as const)),
    ...(minAdherence === null ? [] : (['clip'] as const)),
  ];
}

/** The commit that each named model of these roles stands for now. */
export async function pinModels(
  hub: Hub,
  models: EvaluationModels,
  roles: readonly ModelRole[] = MODEL_ROLES,
): Promise<PinnedModel[]> {
  const named = roles.flatMap((role) => {
    const id = models[role];
    return id === null ? [] : [{ role, ...splitModelId(id) }];
  });
  return Promise.all(
    named.map(async ({ role, repo, revision }) => {
      const commit = await hub.resolve({ type: 'model', repo: RepoId.parse(repo) }, revision);
      if (commit !== null) return { role, repo, commit };
      throw new PipelineError(
        'InvalidInput',
        `evaluation.models.${role}: expected a model repository that the token can read, got "${repo}" at "${revision}", which is not on ${hub.endpoint}; null leaves its metrics out`,
      );
    }),
  );
}

/** Bytes of the largest of these models' weights, as they are stored: so much is on the accelerator at once. */
export async function largestModel(hub: Hub, pinned: readonly PinnedModel[]): Promise<number> {
  const sizes = pinned.map(async ({ repo, commit }) => {
    const files = await hub.list({ type: 'model', repo: RepoId.parse(repo) }, commit);
    const weights = files.filter(({ path }) => isNeeded(path) && path.endsWith('.safetensors'));
    return weights.reduce((sum, { bytes }) => sum + bytes, 0);
  });
  return Math.max(0, ...(await Promise.all(sizes)));
}

/** Brings pinned models here, as the trainer takes them: what they are loaded from, and no second copy in another format. */
export async function copyModels(
  calls: GpuCalls,
  pinned: readonly PinnedModel[],
): Promise<VerbParams<'evaluate'>['models']> {
  const models: VerbParams<'evaluate'>['models'] = [];
  for (const { role, repo, commit } of pinned) {
    const ref = CommitRef.parse({ type: 'model', repo, commit });
    const path = await copyLocally(calls.copying(`model for ${role}`), ref, undefined, isNeeded);
    models.push({ role, repo, commit, path });
  }
  return models;
}

/** Weights as safetensors, configuration and tokenizer: pickles and other tools' copies stay where they are. */
function isNeeded(path: string): boolean {
  return !path.includes('/') && /\.(safetensors|json|txt|model)$/.test(path);
}
