import { proxyActivities } from '@temporalio/workflow';
import type { GpuActivities, TrainRequest } from '../../../src/domain/run/activities.ts';
import type { Training } from '../../../src/domain/training/training.ts';
import { gpuOptions } from '../../../src/workflows/support/activity-options.ts';
import { Pause } from '../../../src/workflows/support/pause.ts';

/** The pipeline's training, which may be paused, and nothing else; a dead worker is noticed and followed sooner than a run would want it. */
export async function trainOnly(request: TrainRequest): Promise<Training> {
  const options = gpuOptions(request.context.config);
  const gpu = proxyActivities<GpuActivities>({
    ...options,
    heartbeatTimeout: '4s',
    retry: { ...options.retry, initialInterval: '0.2s', maximumInterval: '0.2s' },
  });
  const pause = new Pause();
  pause.listen();
  return pause.interruptible(
    () => gpu.train(request),
    ({ outcome }) => outcome === 'done',
  );
}
