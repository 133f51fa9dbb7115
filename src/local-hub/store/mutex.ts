/** How much the newest task counts in what a task is expected to take. */
const NEWEST = 0.2;

/** Runs one task at a time, in the order of arrival. */
export class Mutex {
  #tail: Promise<void> = Promise.resolve();
  #waiting = 0;
  #taskMs = 0;

  /** How many tasks run or wait. */
  get waiting(): number {
    return this.#waiting;
  }

  /** How long one that comes now will wait, by what the last ones took. */
  get expectedWaitMs(): number {
    return this.#waiting * this.#taskMs;
  }

  /** Runs `task` when all earlier ones have ended, whatever their outcome. */
  async run<T>(task: () => Promise<T>): Promise<T> {
    const before = this.#tail;
    let release = (): void => {};
    this.#tail = new Promise((resolve) => {
      release = resolve;
    });
    this.#waiting += 1;
    await before;
    const began = performance.now();
    try {
      return await task();
    } finally {
      this.#taskMs += NEWEST * (performance.now() - began - this.#taskMs);
      this.#waiting -= 1;
      release();
    }
  }
}
