import { AsyncLocalStorage } from 'node:async_hooks';
import { Context } from '@temporalio/activity';
import type { ActivityInboundCallsInterceptor } from '@temporalio/worker';
import { PipelineError } from '../domain/errors.ts';
import {
  type AttemptFailure,
  type AttemptLog,
  beginAttemptLog,
  endAttemptLog,
  hearProgress,
} from '../domain/run/attempt-log.ts';
import type { RunContext } from '../domain/run/context.ts';

/** One attempt at a GPU activity, with what those before it came to. */
class Attempt {
  #log: AttemptLog;
  #details: object;
  #place = 'the start';
  readonly #context: Context;
  readonly #most: number;

  constructor(context: Context, mostFruitless: number) {
    const before = context.info.heartbeatDetails as unknown;
    this.#context = context;
    this.#most = mostFruitless;
    this.#log = beginAttemptLog(before);
    this.#details = typeof before === 'object' && before !== null ? before : {};
  }

  /** Refuses to begin once more what machines or trainers have died of too often; else says that an attempt has begun. */
  begin(): void {
    if (this.#log.fruitless >= this.#most) throw this.#hopeless('the machine vanished or the trainer died');
    this.#tell();
  }

  /** Details of a heartbeat, with the log beside what the activity says. */
  hear(details: unknown): unknown {
    if (typeof details !== 'object' || details === null) return details;
    this.#details = details;
    const { stage, done } = details as { stage?: unknown; done?: unknown };
    if (typeof stage === 'string' && typeof done === 'number') {
      this.#place = `${stage}, ${done} done`;
      this.#log = hearProgress(this.#log, { stage, done });
    }
    return { ...details, attempts: this.#log };
  }

  /** What the attempt's error becomes: itself, or the last one where a further attempt would end the same. */
  end(error: unknown): unknown {
    // Whoever was told to stop did not fail: another session goes on.
    if (this.#context.cancellationSignal.aborted) return this.#stopped(error);
    const failure = failureOf(error, this.#place);
    const { log, next } = endAttemptLog(this.#log, failure, this.#most);
    this.#log = log;
    this.#tell();
    if (next === 'fruitless') return this.#hopeless(failure.message, error);
    if (next === 'again') return error;
    return new PipelineError(
      'Internal',
      `${failure.message}\nThe same error came twice at the same place (${this.#place}): a further attempt would end the same, so the run ends here. What was saved stays`,
      { cause: error, retryable: false, details: error instanceof PipelineError ? error.details : {} },
    );
  }

  #stopped(error: unknown): unknown {
    this.#log = { ...this.#log, open: false };
    this.#tell();
    return error;
  }

  #hopeless(how: string, cause?: unknown): PipelineError {
    return new PipelineError(
      'BudgetExhausted',
      `expected ${this.#context.info.activityType} to come further within ${this.#most} attempts (budget.attemptsWithoutProgress), got ${this.#log.fruitless} in a row that died by then, the last one at: ${this.#place} (${how}). A kill without a word is what a full memory looks like: use a machine with more, or one that lives longer, then "plein-air resume"`,
      { cause },
    );
  }

  #tell(): void {
    this.#context.heartbeat({ ...this.#details, attempts: this.#log });
  }
}

const attempts = new AsyncLocalStorage<Attempt>();

/**
 * Counts the attempts at GPU activities: the same error twice at one place ends the run with its cause, and so do too many
 * deaths in a row without progress. What they know of each other travels in the heartbeats, so that it outlives machines.
 */
export const countedAttempts: ActivityInboundCallsInterceptor = {
  async execute(input, next) {
    const { context } = input.args[0] as { context: RunContext };
    const attempt = new Attempt(Context.current(), context.config.budget.attemptsWithoutProgress);
    attempt.begin();
    return attempts.run(attempt, async () => {
      try {
        return await next(input);
      } catch (error) {
        throw attempt.end(error);
      }
    });
  },
};

/** A heartbeat's details with the log of the attempt that runs now, where there is one. */
export function withAttempts(details: unknown): unknown {
  return attempts.getStore()?.hear(details) ?? details;
}

/** Python's and Node's names for what a disk, a line or the system did: nothing about the work itself. */
const PASSING =
  /^(OS|IO|Connection|Timeout|BlockingIO|BrokenPipe|Interrupted|Permission|FileNotFound)\w*Error$/;

function failureOf(error: unknown, place: string): AttemptFailure {
  const message = error instanceof Error ? error.message : String(error);
  if (!(error instanceof PipelineError)) return { kind: 'Internal', message, place, passing: hasCode(error) };
  const { kind, details, cause } = error;
  const passing = (typeof details.error === 'string' && PASSING.test(details.error)) || hasCode(cause);
  return { kind, message, place, passing };
}

/** Whether an error carries a code of the operating system's, such as `ENOSPC`. */
function hasCode(error: unknown): boolean {
  return error instanceof Error && 'code' in error && /^E[A-Z0-9]+$/.test(String(error.code));
}
