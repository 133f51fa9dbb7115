/** The records that were used last, of all repos together: what the server holds in memory has one bound. */
export class RecordCache {
  readonly #limit: number;
  readonly #entries = new Map<string, { value: unknown; size: number }>();
  #held = 0;

  /** `limit`: characters of JSON text; parsed they take some four times as many bytes. */
  constructor(limit = 8 * 1024 * 1024) {
    this.#limit = limit;
  }

  /** A record that is held, now the newest. */
  get(key: string): unknown {
    const entry = this.#entries.get(key);
    if (!entry) return undefined;
    this.#entries.delete(key);
    this.#entries.set(key, entry);
    return entry.value;
  }

  /** Holds a record of `size` characters and lets go of the oldest ones. */
  set(key: string, value: unknown, size: number): void {
    if (this.#entries.has(key)) return;
    this.#entries.set(key, { value, size });
    this.#held += size;
    for (const [oldest, entry] of this.#entries) {
      if (this.#held <= this.#limit) break;
      this.#entries.delete(oldest);
      this.#held -= entry.size;
    }
  }
}
