import {
  ApplicationFailure,
  CancellationScope,
  CancelledFailure,
  condition,
  setHandler,
} from '@temporalio/workflow';
import { cutMessage } from '../../domain/errors.ts';
import { isCancelRequested } from './ending.ts';
import { budgetSpentSignal, pauseSignal, resumeSignal } from './messages.ts';

export type PauseSignal = typeof pauseSignal | typeof resumeSignal;

/** `pausing`: asked to pause, with work still under way; `paused`: nothing is under way. */
export type PauseState = 'running' | 'pausing' | 'paused';

/** What else happens around a pause, where anything does. */
export interface PauseListener {
  /** A signal was received. */
  onSignal?: (signal: PauseSignal) => void;
  /** The state is another one than before. */
  onState?: (state: PauseState) => void;
}

/**
 * `pause` and `resume`: while paused, no work is started. GPU work under way is asked to checkpoint and stop, and is called
 * again after the resume; other work under way is left to end.
 */
export class Pause {
  #asked = false;
  #busy = 0;
  #shown: PauseState = 'running';
  readonly #interruptible = new Set<CancellationScope>();
  /** Those of them that a pause has asked to stop, however soon a resume followed. */
  readonly #stopping = new Set<CancellationScope>();
  readonly #listener: PauseListener;
  /** Why no GPU work may be started any more. */
  #budgetSpent: string | null = null;

  constructor(listener: PauseListener = {}) {
    this.#listener = listener;
  }

  /** Hears messages from now on; those that came before are heard at once, so what they lead to must be there. */
  listen(): void {
    setHandler(pauseSignal, () => {
      this.#asked = true;
      for (const scope of this.#interruptible) {
        this.#stopping.add(scope);
        scope.cancel();
      }
      this.#listener.onSignal?.(pauseSignal);
      this.#show();
    });
    setHandler(budgetSpentSignal, (why) => {
      this.#budgetSpent = cutMessage(String(why));
      for (const scope of this.#interruptible) scope.cancel();
    });
    setHandler(resumeSignal, () => {
      this.#asked = false;
      this.#listener.onSignal?.(resumeSignal);
      this.#show();
    });
  }

  /** Whether a pause was asked for. */
  get asked(): boolean {
    return this.#asked;
  }

  get state(): PauseState {
    if (!this.#asked) return 'running';
    return this.#busy > 0 ? 'pausing' : 'paused';
  }

  /** Waits while paused. */
  async untilResumed(): Promise<void> {
    while (this.#asked) await condition(() => !this.#asked);
  }

  /** Runs work that is not started while paused, and that a pause lets end. */
  async step<T>(work: () => Promise<T>): Promise<T> {
    await this.untilResumed();
    const leave = this.enter();
    try {
      return await work();
    } finally {
      leave();
    }
  }

  /** Counts work that has a pause of its own, such as a study, as under way until the returned function is called. */
  enter(): () => void {
    this.#busy += 1;
    this.#show();
    let inside = true;
    return () => {
      if (!inside) return;
      inside = false;
      this.#busy -= 1;
      this.#show();
    };
  }

  /**
   * Runs GPU work until it is complete, however often it is paused. A workflow that is cancelled lets the work checkpoint
   * in the same way and then ends.
   */
  async interruptible<T>(
    work: () => Promise<T>,
    isComplete: (result: T) => boolean = () => true,
  ): Promise<T> {
    for (;;) {
      this.#refuseWithoutBudget();
      const scope = new CancellationScope();
      try {
        const result = await this.step(() => {
          this.#interruptible.add(scope);
          return scope.run(work);
        });
        if (isComplete(result)) return result;
      } catch (error) {
        if (!isCancelRequested()) this.#refuseWithoutBudget();
        // A resume may come before the work has stopped for the pause: it is called again all the same.
        if (isCancelRequested() || !this.#stopping.has(scope)) throw error;
      } finally {
        this.#interruptible.delete(scope);
        this.#stopping.delete(scope);
      }
      if (isCancelRequested()) throw new CancelledFailure('cancelled; the checkpoint is on the Hub');
    }
  }

  #refuseWithoutBudget(): void {
    if (this.#budgetSpent === null) return;
    throw ApplicationFailure.create({
      type: 'BudgetExhausted',
      message: `${this.#budgetSpent}. What was trained is saved: raise the limit and run "plein-air resume" with the name of the run`,
      nonRetryable: true,
    });
  }

  #show(): void {
    if (this.state === this.#shown) return;
    this.#shown = this.state;
    this.#listener.onState?.(this.state);
  }
}
