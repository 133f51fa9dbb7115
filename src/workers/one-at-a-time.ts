import { ApplicationFailure } from '@temporalio/activity';
import type {
  ActivityInboundCallsInterceptor,
  ActivitySlotInfo,
  CustomSlotSupplier,
  SlotPermit,
  WorkerOptions,
} from '@temporalio/worker';

/** How soon work that was handed back goes to another worker. */
const HAND_BACK_MS = 500;

/**
 * Lets several workers of one process, each with a queue of its own, work on one activity between them: they share an
 * accelerator. While one works the others reserve no slot, so they ask for nothing new; what an earlier question still
 * brings is handed back at once, for another machine.
 */
export class OneAtATime {
  #working = false;
  readonly #waiting = new Set<() => void>();

  /** The part of a worker's options that makes it one of them. */
  options(): Pick<WorkerOptions, 'tuner'> {
    const few = { type: 'fixed-size', numSlots: 1 } as const;
    return {
      tuner: {
        // Two is the least that a worker without workflows may be given.
        workflowTaskSlotSupplier: { type: 'fixed-size', numSlots: 2 },
        activityTaskSlotSupplier: new Slot(() => this.#idle()),
        localActivityTaskSlotSupplier: few,
        nexusTaskSlotSupplier: few,
      },
    };
  }

  readonly interceptor: ActivityInboundCallsInterceptor = {
    execute: async (input, next) => {
      if (this.#working)
        throw ApplicationFailure.create({
          type: 'Busy',
          message: 'this machine works on something else; handed back',
          nextRetryDelay: HAND_BACK_MS,
        });
      this.#working = true;
      try {
        return await next(input);
      } finally {
        this.#working = false;
        for (const wake of this.#waiting) wake();
        this.#waiting.clear();
      }
    },
  };

  /** Resolves when none of the workers has work. */
  async #idle(): Promise<void> {
    while (this.#working)
      await new Promise<void>((resolve) => {
        this.#waiting.add(resolve);
      });
  }
}

/** One slot, given out while nobody works. */
class Slot implements CustomSlotSupplier<ActivitySlotInfo> {
  readonly type = 'custom';
  readonly #idle: () => Promise<void>;
  #taken = false;
  readonly #waiting: (() => void)[] = [];

  constructor(idle: () => Promise<void>) {
    this.#idle = idle;
  }

  async reserveSlot(_context: unknown, abortSignal: AbortSignal): Promise<SlotPermit> {
    const aborted = new Promise<never>((_, reject) => {
      abortSignal.addEventListener('abort', () => reject(abortSignal.reason), { once: true });
    });
    aborted.catch(() => undefined);
    for (;;) {
      await Promise.race([this.#idle(), aborted]);
      if (!this.#taken) break;
      await Promise.race([new Promise<void>((resolve) => this.#waiting.push(resolve)), aborted]);
    }
    this.#taken = true;
    return {};
  }

  tryReserveSlot(): SlotPermit | null {
    return null;
  }

  markSlotUsed(): void {
    // What counts is the activity itself: see the interceptor.
  }

  releaseSlot(): void {
    this.#taken = false;
    for (const wake of this.#waiting.splice(0)) wake();
  }
}
