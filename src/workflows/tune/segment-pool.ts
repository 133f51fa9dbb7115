import { CancellationScope } from '@temporalio/workflow';

interface Stretch {
  work: Promise<{ fold: () => void } | { error: unknown }>;
}

/**
 * Stretches of training under way, taken account of in the order in which they were started, never in that in which they
 * happen to end: what is decided next is then a function of figures alone, whatever was killed and however long it took.
 */
export class StretchPool {
  readonly #limit: number;
  readonly #scope = new CancellationScope();
  readonly #running: Stretch[] = [];

  constructor(limit: number) {
    this.#limit = limit;
  }

  get size(): number {
    return this.#running.length;
  }

  get full(): boolean {
    return this.#running.length >= this.#limit;
  }

  /** Starts `work` at once; `fold` is called with its result when all that was started before it has been folded. */
  start<T>(work: () => Promise<T>, fold: (result: T) => void): void {
    const running = this.#scope.run(work).then(
      (result) => ({ fold: () => fold(result) }),
      (error: unknown) => ({ error }),
    );
    this.#running.push({ work: running });
  }

  /** Waits for the stretch started first and folds it; one that failed for good cancels the others and fails the study. */
  async foldOldest(): Promise<void> {
    const oldest = this.#running.shift();
    if (oldest === undefined) return;
    const result = await oldest.work;
    if ('fold' in result) return result.fold();
    this.#scope.cancel();
    await Promise.all(this.#running.splice(0).map(({ work }) => work));
    throw result.error;
  }

  async foldAll(): Promise<void> {
    while (this.size > 0) await this.foldOldest();
  }
}
