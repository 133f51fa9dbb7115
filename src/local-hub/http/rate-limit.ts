/** How many API requests an address or token may make in a window; absent means any number. */
export interface RateLimit {
  readonly requests: number;
  readonly windowSeconds: number;
}

/** Counts requests per asker in fixed windows. */
export class RateLimiter {
  readonly #limit: RateLimit;
  readonly #used = new Map<string, { count: number; until: number }>();

  constructor(limit: RateLimit) {
    this.#limit = limit;
  }

  /** The limit in the words of the `RateLimit-Policy` header. */
  get policy(): string {
    return `"fixed window";"api";q=${this.#limit.requests};w=${this.#limit.windowSeconds}`;
  }

  /** Counts one request; says how many are left and after how many seconds there are more. */
  take(asker: string, now = performance.now()): { allowed: boolean; left: number; seconds: number } {
    let window = this.#used.get(asker);
    if (!window || window.until <= now) {
      if (this.#used.size > 10_000) this.#used.clear();
      window = { count: 0, until: now + this.#limit.windowSeconds * 1000 };
      this.#used.set(asker, window);
    }
    window.count += 1;
    const left = Math.max(0, this.#limit.requests - window.count);
    return {
      allowed: window.count <= this.#limit.requests,
      left,
      seconds: Math.max(1, Math.ceil((window.until - now) / 1000)),
    };
  }
}
