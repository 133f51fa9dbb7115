import type { RepoRef } from '../../domain/refs.ts';
import type { Hub } from '../../hub/hub.ts';

const LIMIT_MS = 60_000;

/**
 * Puts what people look at while a training goes on into the run's record: validation images as
 * `samples/<branch>/step-00000100.png`, and at the end the metric log as TensorBoard reads it. One after the other, beside
 * the training; a Hub that does not take a file costs that file and nothing else.
 */
export class TrainingRecord {
  readonly #p: { hub: Hub; record: RepoRef; log: (line: string) => void };
  #last: Promise<void> = Promise.resolve();

  constructor(p: { hub: Hub; record: RepoRef; log: (line: string) => void }) {
    this.#p = p;
  }

  /** Takes a file; one that cannot be read or stored is named in the log. */
  offer(path: string, content: Promise<Buffer>): void {
    content.catch(() => undefined);
    this.#last = this.#last.then(() => this.#publish(path, content));
  }

  /** Resolves when every file is on the Hub or given up. */
  settle(): Promise<void> {
    return this.#last;
  }

  async #publish(path: string, content: Promise<Buffer>): Promise<void> {
    const { hub, record, log } = this.#p;
    try {
      await hub.commit({
        repo: record,
        message: `Training: ${path}`,
        files: [{ path, content: await content }],
        signal: AbortSignal.timeout(LIMIT_MS),
      });
    } catch (error) {
      log(`${path} was not published: ${String(error)}`);
    }
  }
}
