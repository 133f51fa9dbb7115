import { HubError } from './errors.ts';

/** Bytes of bodies that all requests together may keep in memory. */
const LIMIT = 128 * 1024 * 1024;

/** What requests keep in memory at the moment. */
export class BufferBudget {
  #held = 0;

  /** Counts bytes that were kept; 503 where all requests together keep too many. */
  take(bytes: number): void {
    this.#held += bytes;
    if (this.#held <= LIMIT) return;
    throw new HubError(503, 'Too many large requests at once: try again in some seconds');
  }

  /** Forgets bytes that were let go. */
  giveBack(bytes: number): void {
    this.#held -= bytes;
  }
}
