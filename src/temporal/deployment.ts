import type { Client } from '@temporalio/client';
import { DEPLOYMENT } from '../domain/run/task-queues.ts';

/**
 * What keeps versioned pipeline workers from getting work, with the command that mends it; null: nothing does, or workers
 * are not versioned. A deployment without a current version starts nothing, whoever polls.
 */
export async function deploymentProblem(client: Client): Promise<string | null> {
  const { namespace } = client.options;
  try {
    const { workerDeploymentInfo } = await client.workflowService.describeWorkerDeployment({
      ...{ namespace, deploymentName: DEPLOYMENT },
    });
    const current = workerDeploymentInfo?.routingConfig?.currentDeploymentVersion;
    if (workerDeploymentInfo == null || current != null) return null;
    const builds = (workerDeploymentInfo.versionSummaries ?? []).flatMap(({ deploymentVersion }) =>
      deploymentVersion?.buildId ? [deploymentVersion.buildId] : [],
    );
    return `workers are versioned (${builds.join(', ') || 'no version yet'}) and none is current, so no run starts: temporal worker deployment set-current-version --deployment-name ${DEPLOYMENT} --build-id ${builds[0] ?? 'BUILD'}`;
  } catch {
    // Unversioned workers, or a server that knows no deployments.
    return null;
  }
}
