import { proxyActivities } from '@temporalio/workflow';
import type { RunConfig } from '../../domain/config/run-config.ts';
import type { PipelineActivities } from '../../domain/run/activities.ts';
import { longOptions, promotionOptions, shortOptions, uploadOptions } from './activity-options.ts';

type Short = 'openRun' | 'openStudy' | 'openRelease' | 'nameRelease' | 'suggest' | 'judge';
type Long = 'analyze' | 'recordStudy' | 'document';

/** The work on the CPU queue, each activity with the timeouts of its kind; null: it belongs to no run. */
export function pipelineActivities(config: RunConfig | null) {
  const { openRun, openStudy, openRelease, nameRelease, suggest, judge } = proxyActivities<
    Pick<PipelineActivities, Short>
  >(shortOptions(config));
  const { analyze, recordStudy, document } = proxyActivities<Pick<PipelineActivities, Long>>(
    longOptions(config),
  );
  const { rollBack } = proxyActivities<Pick<PipelineActivities, 'rollBack'>>(promotionOptions(config));
  return {
    ...{ openRun, openStudy, openRelease, nameRelease, suggest, judge },
    ...{ analyze, recordStudy, document, rollBack },
  };
}

/** The work that puts a candidate into production. */
export function releaseActivities(config: RunConfig) {
  const { publishRelease } = proxyActivities<Pick<PipelineActivities, 'publishRelease'>>(
    uploadOptions(config),
  );
  const { deploy, settleDeploy } = proxyActivities<Pick<PipelineActivities, 'deploy' | 'settleDeploy'>>(
    promotionOptions(config),
  );
  return { publishRelease, deploy, settleDeploy };
}
