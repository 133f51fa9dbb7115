import { CancellationScope, log } from '@temporalio/workflow';
import type { Release } from '../../domain/release/release.ts';
import type { DeployRequest } from '../../domain/run/activities.ts';
import { describeFailure } from '../support/failures.ts';
import { releaseActivities } from '../support/pipeline-activities.ts';
import type { Candidate, Judged } from './gate.ts';
import { onGpu, phase, type Run } from './run.ts';

/** Releases the candidate where the gate and, if they were asked, a person agree; null: nothing was released. */
export async function deploy(run: Run, judged: Candidate & Judged): Promise<Release | null> {
  const { context, state } = run;
  const refusal = refusalOf(run, judged);
  if (refusal !== null) {
    state.mark('deploy', 'skipped', `${refusal}: nothing is released`);
    return null;
  }
  const { dataset, training, evaluation, gate, approval } = judged;
  const release = await phase(run, 'deploy', {
    work: () => putIntoProduction(run, { context, dataset, training, evaluation, gate, approval }),
    record: (made) => ({ release: made }),
    tell: ({ release: { repo, tag }, space, cached }) => ({
      result: `${repo} ${tag}${space === null ? '' : `, Space ${space.repo}`}`,
      cached,
    }),
  });
  state.status.release = release;
  state.remember({ release: `${release.release.repo} ${release.release.tag}` });
  return release;
}

/** Why nothing may be released; null: nothing is in the way. */
function refusalOf({ config }: Run, { gate: { verdict }, approval }: Judged): string | null {
  const { allowOverride, requireApproval } = config.gate;
  const approved = approval?.decision === 'approved';
  if (verdict !== 'PASS' && !(allowOverride && approved)) return `verdict ${verdict}`;
  if (!requireApproval || approved) return null;
  return approval === null ? 'nobody approved in time' : 'rejected';
}

/** Publishes the candidate, loads it as a user would, then puts it into production; what fails half-way is reverted. */
async function putIntoProduction(run: Run, asked: DeployRequest): Promise<Release> {
  const { context, config, gpu, state } = run;
  const { publishRelease, deploy: promote, settleDeploy } = releaseActivities(config);
  const { evaluation } = asked;
  const request =
    config.deployment.variants.length === 0
      ? asked
      : {
          ...asked,
          variants: await onGpu(run, { activity: 'makeVariants' }, () =>
            gpu.makeVariants({ context, evaluation }),
          ),
        };
  const candidate = await state.pause.step(() => publishRelease(request));
  await onGpu(run, { activity: 'tryRelease' }, () => gpu.tryRelease({ context, candidate, evaluation }));
  await state.pause.untilResumed();
  try {
    return await state.pause.step(() => promote(request));
  } catch (error) {
    const { message } = describeFailure(error);
    await CancellationScope.nonCancellable(() => settleDeploy({ ...request, reason: message })).catch(
      (second) => log.error(`deployment not settled: ${describeFailure(second).message}`),
    );
    throw error;
  }
}
