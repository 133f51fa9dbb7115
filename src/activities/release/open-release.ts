import { PipelineError } from '../../domain/errors.ts';
import type { PipelineActivities } from '../../domain/run/activities.ts';
import { reevaluationRecord, releaseRepos, runNameFrom } from '../../domain/run/repositories.ts';
import type { Hub } from '../../hub/hub.ts';
import { findRelease, PRODUCTION, tagAt } from '../../releases/catalog.ts';

/** Finds what `production` serves; its record goes to the model's own repository, never over the run's. */
export function createOpenRelease({ hub }: { hub: Hub }): PipelineActivities['openRelease'] {
  return async ({ model, namespace, workflowId, runId }) => {
    const owner = namespace ?? (await hub.whoAmI());
    const { release } = releaseRepos(owner, model);
    const served = await hub.resolve({ type: 'model', repo: release }, PRODUCTION);
    const tag = served === null ? null : await tagAt(hub, release, PRODUCTION);
    const entry = tag === null ? null : await findRelease(hub, release, tag);
    if (entry === null)
      throw new PipelineError(
        'BadData',
        `expected a release of "${model}" in production (${release} on ${hub.endpoint}), got none: start a run first`,
      );
    const { context, dataset, training } = entry.provenance;
    const record = reevaluationRecord(owner, model);
    await hub.ensureRepo({ type: 'dataset', repo: record }, { private: true });
    return {
      tag: entry.tag,
      dataset,
      training,
      context: {
        ...context,
        run: runNameFrom(workflowId),
        workflowId,
        runId,
        repos: { ...context.repos, record },
      },
    };
  };
}
