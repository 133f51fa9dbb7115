import type { DatasetConfig } from '../../../domain/config/run-config.ts';
import { PipelineError } from '../../../domain/errors.ts';
import type { CommitRef, RepoRef } from '../../../domain/refs.ts';
import type { Hub } from '../../../hub/hub.ts';

/** The captioning model at the commit that its revision stands for now, looked at before any GPU is; null: none is wanted. */
export async function pinCaptioner(
  hub: Hub,
  { captioner }: Pick<DatasetConfig, 'captioner'>,
): Promise<CommitRef | null> {
  if (captioner === null) return null;
  const { revision } = captioner;
  const repo: RepoRef = { type: 'model', repo: captioner.repo };
  const commit = await hub.resolve(repo, revision);
  const refuse = (expected: string, got: string): PipelineError =>
    new PipelineError(
      'InvalidInput',
      `dataset.captioner: expected ${expected}, got ${got}: choose another model or revision, or null for captions from the genre`,
    );
  if (commit === null)
    throw refuse(
      'a model repository that the token can read',
      `"${repo.repo}" at "${revision}", which is not on ${hub.endpoint}`,
    );
  const files = (await hub.list(repo, commit)).map(({ path }) => path).filter((path) => !path.includes('/'));
  const weights = files.filter((path) => path.endsWith('.safetensors'));
  const pickles = files.filter((path) => /\.(bin|pt|pth|ckpt|pkl)$/.test(path));
  if (weights.length === 0)
    throw refuse(
      `weights as *.safetensors in ${repo.repo} at ${commit}`,
      pickles.length === 0 ? 'none' : `only ${pickles.join(', ')}, which are pickles and are never loaded`,
    );
  if (!files.includes('config.json'))
    throw refuse(`a model of transformers with its config.json in ${repo.repo} at ${commit}`, 'none');
  return { ...repo, commit };
}

/** Which files of a model's repository are needed: weights as safetensors, configuration, tokenizer, chat template. */
export function isModelFile(path: string): boolean {
  return !path.includes('/') && /\.(safetensors|json|txt|model|jinja)$/.test(path);
}
