/** Runs one task at a time, in the order of arrival. */
export class Mutex {
  #tail: Promise<void> = Promise.resolve();
  #waiting = 0;

  /** How many tasks run or wait. */
  get waiting(): number {
    return this.#waiting;
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
    try {
      return await task();
    } finally {
      this.#waiting -= 1;
      release();
    }
  }
}
