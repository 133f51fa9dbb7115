import { PipelineError } from '../../domain/errors.ts';
import type { TrainerEvent } from '../../domain/trainer-protocol.ts';
import type { Trainer } from '../../trainer/trainer.ts';

/** Importing torch and loading a base shows no progress: so long a trainer may be silent. */
const SILENT_MS = 10 * 60_000;
const BEAT_MS = 2_000;

/**
 * Runs a request of the trainer, with signs of life for it while it is silent: imports, a model that loads and intervals
 * that are computed take longer on a slow machine than Temporal waits. With `afterFirst`, only its own events are signs of
 * life from its first one on. One that is silent for too long hangs: it is killed before Temporal gives us up.
 */
export async function watchedCall<T>(
  p: { trainer: Trainer; beat: () => void; afterFirst?: number | undefined },
  request: (onEvent: () => void) => Promise<T>,
): Promise<T> {
  let heardAt = performance.now();
  let limit = SILENT_MS;
  let hung = false;
  const watch = setInterval(
    () => {
      const silentMs = performance.now() - heardAt;
      if (silentMs > limit) {
        hung = true;
        p.trainer.kill();
      } else if (limit === SILENT_MS) p.beat();
    },
    Math.min(BEAT_MS, (p.afterFirst ?? SILENT_MS) / 4),
  );
  try {
    return await request(() => {
      heardAt = performance.now();
      limit = p.afterFirst ?? SILENT_MS;
    });
  } catch (error) {
    if (!hung) throw error;
    throw new PipelineError(
      'TrainerDied',
      `expected a sign of progress from the trainer at least every ${Math.round(limit / 1000)} s, got none: it hung and was killed; the next attempt goes on from what was saved`,
      { cause: error },
    );
  } finally {
    clearInterval(watch);
  }
}

/** Waits for the Hub with signs of life: its requests have limits of their own, so a long upload is no hung trainer. */
export async function alive<T>(beat: () => void, wait: () => Promise<T>): Promise<T> {
  beat();
  const beats = setInterval(beat, BEAT_MS);
  try {
    return await wait();
  } finally {
    clearInterval(beats);
  }
}

/** What a request's listener is called with. */
export type OnTrainerEvent = (event: TrainerEvent) => void;
