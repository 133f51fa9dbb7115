import { allHandlersFinished, condition, log, setHandler } from '@temporalio/workflow';
import type { Approval } from '../../domain/evaluation/decision.ts';
import {
  approveSignal,
  approveUpdate,
  type DecisionMessage,
  rejectSignal,
  rejectUpdate,
} from '../support/messages.ts';

/** A person's decision about a candidate, by signal or update; it can be made while the run waits for it, and once. */
export class ApprovalDesk {
  #open = false;
  #approval: Approval | null = null;
  /** Where the run is, for a decision that comes too early or too late. */
  readonly #phase: () => string;

  constructor(phase: () => string) {
    this.#phase = phase;
  }

  /** Hears messages from now on; those that came before are heard at once, so what they lead to must be there. */
  listen(): void {
    for (const [decision, signal, update] of [
      ['approved', approveSignal, approveUpdate],
      ['rejected', rejectSignal, rejectUpdate],
    ] as const) {
      setHandler(signal, (message) => {
        const problem = this.#problemOf(message);
        if (problem === null) this.#decide(decision, message);
        else log.warn(`signal ignored: ${problem}`);
      });
      setHandler(
        update,
        (message) => {
          this.#decide(decision, message);
          return decision;
        },
        {
          validator: (message) => {
            const problem = this.#problemOf(message);
            if (problem !== null) throw new Error(problem);
          },
        },
      );
    }
  }

  /** Whether the run waits for a decision. */
  get isOpen(): boolean {
    return this.#open;
  }

  /** Waits for a person's decision; null when none came in time. */
  async decision(timeoutHours: number): Promise<Approval | null> {
    this.#open = true;
    try {
      // Once the update has answered: the order of its answer and of what follows would else depend on the handler's ticks.
      await condition(() => this.#approval !== null && allHandlersFinished(), timeoutHours * 3_600_000);
    } finally {
      this.#open = false;
    }
    return this.#approval;
  }

  #problemOf(message: DecisionMessage | undefined): string | null {
    if (typeof message?.by !== 'string' || message.by.trim() === '' || typeof message.reason !== 'string')
      return 'expected {"by": "your name", "reason": "why"}';
    if (message.by.length > 200 || message.reason.length > 2000)
      return `expected a name of at most 200 and a reason of at most 2000 characters, got ${message.by.length} and ${message.reason.length}`;
    if (this.#approval !== null) return `already ${this.#approval.decision} by ${this.#approval.by}`;
    if (!this.#open) return `nothing to decide: the run is in phase ${this.#phase()}`;
    return null;
  }

  #decide(decision: Approval['decision'], { by, reason }: DecisionMessage): void {
    this.#approval = { decision, by, reason, at: Date.now() };
  }
}
