import { processEnvironment } from '../config/env.ts';
import type { TrainerEvent, Verb, VerbParams, VerbResult } from '../domain/trainer-protocol.ts';
import { TrainerSession } from './session.ts';
import type { Trainer, TrainerOptions } from './trainer.ts';

/** Time that a training has to write its checkpoint after `stop`. */
const STOP_GRACE_MS = 120_000;
/** Time between a signal that asks and the one that does not. */
const KILL_GRACE_MS = 5_000;

/** What a worker says about its trainer, and, for tests, how patient it is. */
export interface TrainerProcessOptions extends TrainerOptions {
  stopGraceMs?: number;
  killGraceMs?: number;
}

/** A trainer over a Python process that starts at the first request and is replaced after it died. */
export function createTrainer(options: TrainerProcessOptions): Trainer {
  return new ProcessTrainer(options);
}

class ProcessTrainer implements Trainer {
  readonly #options: TrainerOptions;
  readonly #stopGraceMs: number;
  readonly #killGraceMs: number;
  #session: TrainerSession | null = null;

  constructor(options: TrainerProcessOptions) {
    this.#options = { environment: processEnvironment(), ...options };
    this.#stopGraceMs = options.stopGraceMs ?? STOP_GRACE_MS;
    this.#killGraceMs = options.killGraceMs ?? KILL_GRACE_MS;
  }

  get pid(): number | null {
    return this.#session?.pid ?? null;
  }

  async call<V extends Verb>(
    verb: V,
    params: VerbParams<V>,
    options: { onEvent?: (event: TrainerEvent) => void; signal?: AbortSignal } = {},
  ): Promise<VerbResult<V>> {
    const { signal, onEvent } = options;
    signal?.throwIfAborted();
    // Two at a time would not fit an accelerator's memory; one that was told to end gets no request of the next attempt.
    while (this.#session?.leaving === true) await this.#session.ended;
    signal?.throwIfAborted();
    const session = this.#live();
    const working = session.request(verb, params, onEvent);
    if (signal === undefined) return working;
    let over = false;
    const onAbort = () => {
      const ended = () => over;
      void (verb === 'train' ? this.#stopTraining(session, working, ended) : this.#kill(session));
    };
    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) onAbort();
    try {
      return await working;
    } catch (error) {
      if (verb !== 'train') signal.throwIfAborted();
      throw error;
    } finally {
      over = true;
      signal.removeEventListener('abort', onAbort);
    }
  }

  checkpoint(): void {
    this.#session?.checkpoint();
  }

  kill(): void {
    this.#session?.signal('SIGKILL');
  }

  async close(): Promise<void> {
    const session = this.#session;
    this.#session = null;
    if (session === null || !session.live) return;
    session.shutDown();
    if (await within(session.ended, this.#killGraceMs)) return;
    await this.#kill(session);
  }

  #live(): TrainerSession {
    if (this.#session === null || !this.#session.live) this.#session = new TrainerSession(this.#options);
    return this.#session;
  }

  /** A training that does not answer `stop` in time hangs: it is killed, and its request fails with `TrainerDied`. */
  async #stopTraining(
    session: TrainerSession,
    working: Promise<unknown>,
    over: () => boolean,
  ): Promise<void> {
    session.stop();
    const settled = working.then(
      () => undefined,
      () => undefined,
    );
    if ((await within(settled, this.#stopGraceMs)) || over()) return;
    await this.#kill(session);
  }

  async #kill(session: TrainerSession): Promise<void> {
    session.signal('SIGTERM');
    if (await within(session.ended, this.#killGraceMs)) return;
    session.signal('SIGKILL');
    await session.ended;
  }
}

/** Whether a promise settles within a time. */
async function within(promise: Promise<void>, ms: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(false), ms);
  });
  try {
    return await Promise.race([promise.then(() => true), late]);
  } finally {
    clearTimeout(timer);
  }
}
