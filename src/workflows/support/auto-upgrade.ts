import type { WorkflowDefinitionOptions } from '@temporalio/common';
import { setWorkflowOptions, workflowInfo } from '@temporalio/workflow';

/**
 * Lets a workflow type continue with the newest code at its next task, where the workers are versioned: for those that
 * schedules start again and again. A worker without a version may not state any behavior: the server refuses it.
 */
export function autoUpgrade(workflow: (input?: unknown) => Promise<unknown>): void {
  const options = (): WorkflowDefinitionOptions =>
    workflowInfo().currentDeploymentVersion?.deploymentName ? { versioningBehavior: 'AUTO_UPGRADE' } : {};
  setWorkflowOptions(options, workflow);
}
