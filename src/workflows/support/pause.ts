import { CancellationScope, CancelledFailure, condition, patched, setHandler } from '@temporalio/workflow';
import { pauseSignal, resumeSignal } from './messages.ts';

export type HoldSignal = typeof pauseSignal | typeof resumeSignal;

/** What else happens around a pause, where anything does. */
export interface HoldListener {
  /** A signal came in. */
  heard?: (signal: HoldSignal) => void;
  /** Work is held now, and is no longer. */
  held?: () => void;
  goesOn?: () => void;
}

/**
 * `pause` and `resume`: GPU work under way is asked to checkpoint and stop, and is called again once the workflow may go
 * on. Work that is not held starts within the turn that asks for it, so that commands keep their order.
 */
export class Hold {
  #paused = false;
  readonly #running = new Set<CancellationScope>();
  /** Those of them that a pause has asked to stop, however soon a resume followed. */
  readonly #stopping = new Set<CancellationScope>();
  readonly #listener: HoldListener;

  constructor(listener: HoldListener = {}) {
    this.#listener = listener;
    setHandler(pauseSignal, () => {
      this.#paused = true;
      for (const scope of this.#running) {
        this.#stopping.add(scope);
        scope.cancel();
      }
      listener.heard?.(pauseSignal);
    });
    setHandler(resumeSignal, () => {
      this.#paused = false;
      listener.heard?.(resumeSignal);
    });
  }

  get paused(): boolean {
    return this.#paused;
  }

  async untilResumed(): Promise<void> {
    if (!this.#paused) return;
    this.#listener.held?.();
    await condition(() => !this.#paused);
    this.#listener.goesOn?.();
  }

  /**
   * Runs GPU work until it is whole, however often it is held. A workflow that is cancelled lets the work checkpoint in
   * the same way and then ends.
   */
  async run<T>(work: () => Promise<T>, isWhole: (result: T) => boolean): Promise<T> {
    for (;;) {
      if (this.#paused) await this.untilResumed();
      const scope = new CancellationScope();
      this.#running.add(scope);
      try {
        const result = await scope.run(work);
        if (isWhole(result)) return result;
      } catch (error) {
        // A resume may come before the work has stopped for the pause: it is called again all the same.
        const stopped = this.#paused || (this.#stopping.has(scope) && patched('resumed-while-stopping'));
        if (!stopped) throw error;
      } finally {
        this.#running.delete(scope);
        this.#stopping.delete(scope);
      }
      if (CancellationScope.current().consideredCancelled)
        throw new CancelledFailure('cancelled; the checkpoint is on the Hub');
    }
  }
}
