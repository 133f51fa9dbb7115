import type { Refusal } from '../domain/gpu-source/session.ts';

/** A session to open. */
export interface SessionRequest {
  /** Its name and its worker's: the same name is never opened twice. */
  name: string;
  accelerator: string;
  /** Hours after which it is to end by itself, should nobody close it. */
  hours: number;
  signal?: AbortSignal | undefined;
}

/** Who brings a machine. Every call may be repeated: a name that is open stays one session, one that is gone is closed. */
export interface GpuSource {
  /** Asks for a machine; `SourceRefusal` where there is none. Resolves when the source has taken the request. */
  open(request: SessionRequest): Promise<void>;
  close(name: string, signal?: AbortSignal): Promise<void>;
  /** Names of this fleet's sessions that are open or being opened. */
  list(signal?: AbortSignal): Promise<string[]>;
}

/** A source that gives no machine, and why; nothing was opened. */
export class SourceRefusal extends Error {
  readonly reason: Refusal;

  constructor(reason: Refusal, message: string) {
    super(message);
    this.name = 'SourceRefusal';
    this.reason = reason;
  }
}

/** What a source needs besides its own configuration. */
export interface SourceGround {
  /** First part of the names of this fleet's sessions. */
  prefix: string;
  /** Variables that the worker on the new machine needs; `secrets` must not be shown or logged. */
  worker: { variables: Record<string, string>; secrets: Record<string, string> };
}
