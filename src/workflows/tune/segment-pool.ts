import { CancellationScope } from '@temporalio/workflow';

interface Segment {
  work: Promise<{ settle: () => void } | { error: unknown }>;
}

/**
 * Segments of training under way, taken account of in the order in which they were started, never in that in which they
 * happen to end: what is decided next is then a function of figures alone, whatever was killed and however long it took.
 */
export class SegmentPool {
  readonly #limit: number;
  readonly #scope = new CancellationScope();
  readonly #running: Segment[] = [];

  constructor(limit: number) {
    this.#limit = limit;
  }

  get size(): number {
    return this.#running.length;
  }

  get full(): boolean {
    return this.#running.length >= this.#limit;
  }

  /** Starts `work` at once; `settle` is called with its result when all that was started before it has been settled. */
  start<T>(work: () => Promise<T>, settle: (result: T) => void): void {
    const running = this.#scope.run(work).then(
      (result) => ({ settle: () => settle(result) }),
      (error: unknown) => ({ error }),
    );
    this.#running.push({ work: running });
  }

  /** Waits for the segment started first and settles it; one that failed for good cancels the others and fails the study. */
  async settleOldest(): Promise<void> {
    const oldest = this.#running.shift();
    if (oldest === undefined) return;
    const result = await oldest.work;
    if ('settle' in result) return result.settle();
    this.#scope.cancel();
    await Promise.all(this.#running.splice(0).map(({ work }) => work));
    throw result.error;
  }

  async settleAll(): Promise<void> {
    while (this.size > 0) await this.settleOldest();
  }
}
