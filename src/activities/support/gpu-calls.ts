import type { GpuProgress } from '../../domain/run/activities.ts';
import type { Verb, VerbParams, VerbResult } from '../../domain/trainer-protocol.ts';
import type { Hub } from '../../hub/hub.ts';
import type { Trainer } from '../../trainer/trainer.ts';
import { checkFits, type FittingWork } from './fits.ts';
import { alive, watchedCall } from './watchdog.ts';

/** What an activity on the GPU queue needs besides its request. */
export interface GpuDeps {
  hub: Hub;
  trainer: Trainer;
  /** Kept from attempt to attempt where the machine lives on; what is in it is never trusted unverified. */
  workDir: string;
  heartbeat: (progress: GpuProgress) => void;
  /** Cancellation of the activity that runs now; default: none. */
  signal?: (() => AbortSignal | undefined) | undefined;
}

/** Requests of the trainer and copies from the Hub of one attempt, with the signs of life that Temporal waits for. */
export class GpuCalls {
  readonly #deps: GpuDeps;
  /** Pictures of a stage, until the trainer says better. */
  readonly #total: number;

  constructor(deps: GpuDeps, total: number) {
    this.#deps = deps;
    this.#total = total;
  }

  /** What `copyLocally` and its like take. */
  copying(stage: string) {
    const { hub, workDir, signal } = this.#deps;
    const onProgress = (done: number, total: number) => this.beat(stage, done, total);
    return { hub, workDir, signal: signal?.(), onProgress };
  }

  /**
   * One request of the trainer. While it is silent (it imports, loads a model, computes intervals) there are signs of life
   * for it: on a slow machine each of these may take longer than Temporal waits, and every attempt would begin them anew.
   */
  call<V extends Verb>(verb: V, params: VerbParams<V>, stage: string): Promise<VerbResult<V>> {
    const { trainer } = this.#deps;
    const signal = this.#deps.signal?.();
    let beat = () => this.beat(stage, 0, this.#total);
    beat();
    return watchedCall({ trainer, beat: () => beat() }, (onSign) =>
      trainer.call(verb, params, {
        onEvent: (event) => {
          onSign();
          if (event.event !== 'progress') return;
          const { done, total, etaSeconds } = event;
          beat = () => this.beat(stage, done, total, etaSeconds);
          beat();
        },
        ...(signal === undefined ? {} : { signal }),
      }),
    );
  }

  /** Refuses, before anything is fetched, what this machine cannot hold. */
  async fits(context: FittingWork['context'], judgeBytes = 0): Promise<void> {
    const { hub, trainer } = this.#deps;
    const work = { hub, trainer, context, judgeBytes };
    await alive(
      () => this.beat('starting', 0, this.#total),
      () => checkFits(work),
    );
  }

  /** An upload, or what else takes long without the trainer, with signs of life for it. */
  uploading<T>(stage: string, upload: () => Promise<T>): Promise<T> {
    return alive(() => this.beat(stage, 0, this.#total), upload);
  }

  /** One sign of life. */
  beat(stage: string, done: number, total: number, etaSeconds: number | null = null): void {
    this.#deps.heartbeat({ stage, done, total, etaSeconds, metrics: {}, lastCheckpoint: null });
  }
}
