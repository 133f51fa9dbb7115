import { visibleText } from './visible-text.ts';

/** What went wrong, by kind: the kind decides retries, exit code and the runbook's entry. */
export const ERROR_KINDS = {
  /** Input or configuration that cannot work; retrying cannot help. */
  InvalidInput: { retryable: false, exitCode: 2 },
  /** Data that cannot be trained on: too few images, a leak, broken files everywhere. */
  BadData: { retryable: false, exitCode: 3 },
  /** A loss or gradient that is NaN, infinite or exploding. */
  Diverged: { retryable: false, exitCode: 4 },
  /** The accelerator's memory does not hold the configuration. */
  OutOfMemory: { retryable: false, exitCode: 4 },
  /** A file whose sha256 is not the one its manifest promises. */
  Corrupt: { retryable: true, exitCode: 5 },
  /** Another attempt has taken over: this one must stop without publishing. */
  Fenced: { retryable: false, exitCode: 6 },
  /** The trainer process died: a crash, a kill, a preemption. */
  TrainerDied: { retryable: true, exitCode: 7 },
  /** The Hub did not answer, or not as expected. */
  HubUnavailable: { retryable: true, exitCode: 8 },
  /** The Hub refused: a token that is missing, wrong or lacks a permission. */
  HubRefused: { retryable: false, exitCode: 8 },
  /** A budget of the run is used up; what is saved stays. */
  BudgetExhausted: { retryable: false, exitCode: 9 },
  /** The gate did not say PASS, or what would ship is not what was judged. */
  GateRefused: { retryable: false, exitCode: 10 },
  /** A Space that does not come up, paints nothing, or serves something else: what was there before was put back. */
  Unhealthy: { retryable: false, exitCode: 11 },
  /** Ended because a person or an operator asked for it; what was trained is saved. */
  Cancelled: { retryable: false, exitCode: 130 },
  /** A fault of ours. */
  Internal: { retryable: true, exitCode: 70 },
} as const;

export type ErrorKind = keyof typeof ERROR_KINDS;

/** An error that is told to people: its message says what was expected, what came, where, and what to do. */
export class PipelineError extends Error {
  readonly kind: ErrorKind;
  /** As the kind has it, unless it is known that a further attempt would end the same. */
  readonly retryable: boolean;
  readonly details: Readonly<Record<string, unknown>>;

  constructor(
    kind: ErrorKind,
    message: string,
    options: { cause?: unknown; details?: Record<string, unknown>; retryable?: boolean } = {},
  ) {
    // Messages quote what others say, and end in terminals, logs and notices.
    super(visibleText(message), options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'PipelineError';
    this.kind = kind;
    this.retryable = options.retryable ?? ERROR_KINDS[kind].retryable;
    this.details = options.details ?? {};
  }
}

/** Every kind, for schemas. */
export const ERROR_KIND_NAMES = Object.keys(ERROR_KINDS) as [ErrorKind, ...ErrorKind[]];

/** Every kind that Temporal must not retry, for retry policies. */
export const NON_RETRYABLE_KINDS: ErrorKind[] = ERROR_KIND_NAMES.filter(
  (kind) => !ERROR_KINDS[kind].retryable,
);

/** Longest message that goes into a history, a record or a notice. */
const MAX_MESSAGE = 2000;

/** A message cut to a size that histories and records can hold; what was left out is counted. */
export function cutMessage(message: string, max = MAX_MESSAGE): string {
  if (message.length <= max) return message;
  const kept = message.slice(0, max).replace(/[\uD800-\uDBFF]$/, '');
  return `${kept} … (${message.length - kept.length} more characters)`;
}
