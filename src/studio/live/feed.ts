import { setTimeout as sleep } from 'node:timers/promises';

/** A value that is read again and again while somebody watches: once, however many watch. */
export class Feed<T> {
  readonly #read: () => Promise<T>;
  readonly #everyMs: number;
  readonly #watchers = new Set<(value: T) => void>();
  #newest: { value: T; at: number } | null = null;
  #reading: Promise<T> | null = null;
  #isPolling = false;

  /** `read` must not throw: what it could not read is part of its value. */
  constructor(read: () => Promise<T>, everyMs: number) {
    this.#read = read;
    this.#everyMs = everyMs;
  }

  /** Watchers now. */
  get watchers(): number {
    return this.#watchers.size;
  }

  /** The value, at most as old as the time between two reads. */
  async now(): Promise<T> {
    if (this.#newest !== null && Date.now() - this.#newest.at < this.#everyMs) return this.#newest.value;
    return this.#refresh();
  }

  /** The value at once where it is not older than `ms`, while a newer one is read for whoever comes next. */
  async recent(ms: number): Promise<T> {
    if (this.#newest === null || Date.now() - this.#newest.at > ms) return this.now();
    void this.now();
    return this.#newest.value;
  }

  /** Forgets the value, so that the next reader sees what it changed. */
  expire(): void {
    this.#newest = null;
  }

  /** Calls back with every value from now on, until the returned function is called. */
  watch(watcher: (value: T) => void): () => void {
    this.#watchers.add(watcher);
    void this.#poll();
    return () => void this.#watchers.delete(watcher);
  }

  #refresh(): Promise<T> {
    this.#reading ??= this.#read()
      .then((value) => {
        this.#newest = { value, at: Date.now() };
        return value;
      })
      .finally(() => {
        this.#reading = null;
      });
    return this.#reading;
  }

  async #poll(): Promise<void> {
    if (this.#isPolling) return;
    this.#isPolling = true;
    while (this.#watchers.size > 0) {
      const value = await this.now();
      for (const watcher of this.#watchers) watcher(value);
      await sleep(this.#everyMs);
    }
    this.#isPolling = false;
  }
}

/** Feeds by key; one that nobody watched for a while is forgotten, so that memory does not grow with what was once seen. */
export class Feeds<T> {
  readonly #make: (key: string) => Feed<T>;
  readonly #most: number;
  readonly #feeds = new Map<string, Feed<T>>();

  constructor(make: (key: string) => Feed<T>, most = 64) {
    this.#make = make;
    this.#most = most;
  }

  /** The feed of a key, made where there is none. */
  of(key: string): Feed<T> {
    const feed = this.#feeds.get(key) ?? this.#make(key);
    // Set again: a map keeps its keys in the order of their use.
    this.#feeds.delete(key);
    this.#feeds.set(key, feed);
    for (const [old, { watchers }] of this.#feeds) {
      if (this.#feeds.size <= this.#most) break;
      if (watchers === 0 && old !== key) this.#feeds.delete(old);
    }
    return feed;
  }
}
