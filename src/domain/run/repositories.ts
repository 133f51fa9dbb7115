import { RepoId, RunName } from '../refs.ts';
import type { RunRepos } from './context.ts';

/** Names of a run's repositories; a name that the Hub would refuse is an error of the caller. */
export function runRepos(namespace: string, run: RunName, model: string): RunRepos {
  return {
    checkpoints: RepoId.parse(`${namespace}/${run}-checkpoints`),
    record: RepoId.parse(`${namespace}/${run}-record`),
    ...releaseRepos(namespace, model),
  };
}

/** Names of a model's repositories. */
export function releaseRepos(namespace: string, model: string): Pick<RunRepos, 'release' | 'space'> {
  return {
    release: RepoId.parse(`${namespace}/${model}`),
    space: RepoId.parse(`${namespace}/${model}-space`),
  };
}

/** Where the re-evaluations of a model are recorded. */
export function reevaluationRecord(namespace: string, model: string): RepoId {
  return RepoId.parse(`${namespace}/${model}-reevaluations`);
}

/** Where every candidate of a model is written down, whoever trained it. */
export function ledgerRepo(namespace: string, model: string): RepoId {
  return RepoId.parse(`${namespace}/${model}-ledger`);
}

/** A run name from any workflow id: lower case, hyphens for all else, cut to length. */
export function runNameFrom(workflowId: string): RunName {
  const slug = workflowId
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .slice(0, 48)
    .replaceAll(/^-+|-+$/g, '');
  return RunName.parse(slug === '' ? 'run' : slug);
}
