import { PipelineError } from '../domain/errors.ts';
import type { TrainerEvent } from '../domain/trainer-protocol.ts';
import type { Trainer } from '../trainer/trainer.ts';
import type { ActivityContext } from './activity-context.ts';

/** Importing torch and loading a base shows no progress: so long a trainer may be silent before its first event. */
const SILENT_START_MS = 10 * 60_000;
/** Longest silence afterwards where Temporal sets no heartbeat time-out. */
const SILENT_MS = 3 * 60_000;
const BEAT_MS = 2_000;

/**
 * Runs a request of the trainer. Until its first event it may be silent, and there are signs of life for it; afterwards only
 * its own events are signs of life, and one that shows none for too long hangs: it is killed before Temporal gives us up.
 */
export async function watchedCall<T>(
  p: { trainer: Trainer; activity: ActivityContext; beat: () => void },
  request: (onEvent: () => void) => Promise<T>,
): Promise<T> {
  const { heartbeatTimeoutMs } = p.activity.info;
  const limit = heartbeatTimeoutMs === undefined ? SILENT_MS : 0.8 * heartbeatTimeoutMs;
  let heardAt = performance.now();
  let spoke = false;
  let hung = false;
  const watch = setInterval(
    () => {
      const silentMs = performance.now() - heardAt;
      if (silentMs > (spoke ? limit : SILENT_START_MS)) {
        hung = true;
        p.trainer.kill();
      } else if (!spoke) p.beat();
    },
    Math.min(BEAT_MS, limit / 4),
  );
  try {
    return await request(() => {
      heardAt = performance.now();
      spoke = true;
    });
  } catch (error) {
    if (!hung) throw error;
    throw new PipelineError(
      'TrainerDied',
      `expected a sign of progress from the trainer at least every ${Math.round((spoke ? limit : SILENT_START_MS) / 1000)} s, got none: it hung and was killed; the next attempt goes on from the newest checkpoint`,
      { cause: error },
    );
  } finally {
    clearInterval(watch);
  }
}

/** What a request's listener is called with. */
export type OnTrainerEvent = (event: TrainerEvent) => void;
