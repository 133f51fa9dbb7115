import { proxyActivities } from '@temporalio/workflow';
import type { Release } from '../../../src/domain/release/release.ts';
import type { DeployRequest, PipelineActivities } from '../../../src/domain/run/activities.ts';
import { promotionOptions } from '../../../src/workflows/support/activity-options.ts';

export { rollback } from '../../../src/workflows/rollback.ts';

const promote = proxyActivities<PipelineActivities>(promotionOptions(null));

/** The last stage of `fineTune` on its own, with its own options: publish, then deploy. */
export async function deployRelease(request: DeployRequest): Promise<Release> {
  await promote.publishRelease(request);
  return promote.deploy(request);
}
