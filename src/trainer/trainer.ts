import type { TrainerEvent, Verb, VerbParams, VerbResult } from '../domain/trainer-protocol.ts';

/** The Python process of a GPU session: started on first use, kept warm, replaced after it died. */
export interface Trainer {
  /**
   * Sends one request and waits for its result. Throws `PipelineError` of the kind the trainer names, or `TrainerDied`.
   * Aborting `signal` asks a running `train` to checkpoint and stop (its result is then `stopped`); it kills other verbs.
   */
  call<V extends Verb>(
    verb: V,
    params: VerbParams<V>,
    options?: { onEvent?: (event: TrainerEvent) => void; signal?: AbortSignal },
  ): Promise<VerbResult<V>>;
  /** Asks a running `train` to write a checkpoint at its next micro-step and go on; its event tells of it. */
  checkpoint(): void;
  /** Ends a process that does not answer at once; its requests fail with `TrainerDied`, the next one starts another. */
  kill(): void;
  /** pid of the live process; null while none runs. */
  readonly pid: number | null;
  /** Ends the process: shutdown request, then SIGTERM, then SIGKILL. */
  close(): Promise<void>;
}

export interface TrainerOptions {
  /** Path of the Python interpreter. */
  python: string;
  /** Folder that holds the package `plein_air`. */
  packageFolder: string;
  /** Processes that train together, an accelerator each; default 1. */
  processes?: number;
  /** Receives the trainer's stderr, line by line. */
  log: (line: string) => void;
  /** Variables of the worker, of which a white list is passed on; default: this process's. */
  environment?: Readonly<Record<string, string | undefined>>;
}
