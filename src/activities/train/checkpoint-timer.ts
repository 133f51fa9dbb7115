import type { CheckpointConfig } from '../../domain/config/run-config.ts';
import { longestOfLate, secondsToNextCheckpoint } from '../../domain/training/checkpoint-interval.ts';

/** What a clock reads and whom it tells. */
export interface ClockParts {
  limits: Pick<CheckpointConfig, 'minSeconds' | 'maxSeconds'>;
  /** Mean seconds that a machine lives, as known now. */
  betweenPreemptions: () => number;
  /** What the attempt before this one had measured from asking to the Hub; null: nothing is known. */
  saveSecondsBefore: number | null;
  /** Asks the trainer for a checkpoint. */
  ask: () => void;
}

/** Decides by the time that passes, whatever the wall clock is set to, when a training is asked for its next checkpoint, from what the ones before it cost. */
export class CheckpointClock {
  readonly #parts: ClockParts;
  readonly #stalls: number[] = [];
  readonly #saves: number[] = [];
  /** When the checkpoints that are not on the Hub yet were asked for, by their local path. */
  readonly #underWay = new Map<string, number>();
  #askedAt: number | null = null;
  #timer: NodeJS.Timeout | undefined;
  #running = false;

  constructor(parts: ClockParts) {
    this.#parts = parts;
  }

  /** Training has begun or goes on; called again it changes nothing. */
  start(): void {
    if (this.#running) return;
    this.#running = true;
    this.#arm(performance.now());
  }

  /** The trainer has written a checkpoint, asked for or not. */
  saved(path: string): void {
    const takenAt = this.#askedAt ?? performance.now();
    this.#askedAt = null;
    this.#underWay.set(path, takenAt);
    if (this.#running) this.#arm(takenAt);
  }

  /** A checkpoint is on the Hub, and those that it superseded are forgotten; longest save of late, in seconds. */
  published(path: string): number | null {
    const takenAt = this.#underWay.get(path);
    if (takenAt === undefined) return null;
    this.#saves.push((performance.now() - takenAt) / 1000);
    for (const [other, at] of this.#underWay) if (at <= takenAt) this.#underWay.delete(other);
    return longestOfLate(this.#saves, 0);
  }

  /** How long training stood still for a checkpoint. */
  stalled(seconds: number): void {
    this.#stalls.push(seconds);
  }

  stop(): void {
    this.#running = false;
    clearTimeout(this.#timer);
  }

  #arm(takenAt: number): void {
    const { limits, betweenPreemptions, saveSecondsBefore, ask } = this.#parts;
    const seconds = secondsToNextCheckpoint({
      ...limits,
      stallSeconds: longestOfLate(this.#stalls, 0),
      saveSeconds: longestOfLate(this.#saves, saveSecondsBefore ?? limits.maxSeconds / 4),
      betweenPreemptions: betweenPreemptions(),
    });
    clearTimeout(this.#timer);
    this.#timer = setTimeout(
      () => {
        this.#askedAt = performance.now();
        ask();
      },
      Math.max(0, takenAt + seconds * 1000 - performance.now()),
    );
    this.#timer.unref();
  }
}
