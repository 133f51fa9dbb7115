import { AsyncResource } from 'node:async_hooks';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { execa } from 'execa';
import { PipelineError } from '../domain/errors.ts';
import {
  TrainerEvent,
  TrainerRequest,
  VERBS,
  type Verb,
  type VerbParams,
  type VerbResult,
} from '../domain/trainer-protocol.ts';
import { trainerEnvironment } from './environment.ts';
import type { TrainerOptions } from './trainer.ts';

/** Lines of stderr that an error quotes. */
const QUOTED_LINES = 20;

interface Pending {
  verb: Verb;
  resolve: (result: unknown) => void;
  reject: (error: unknown) => void;
  onEvent: ((event: TrainerEvent) => void) | undefined;
}

/**
 * Starts Python in a process group of its own: Ctrl+C in a terminal reaches the worker alone, which then lets the trainer
 * checkpoint. Should the worker be killed, the trainer sees the end of its stdin and goes.
 */
function spawn({ python, packageFolder, environment = {}, processes = 1 }: TrainerOptions) {
  return execa(python, ['-m', 'plein_air'], {
    stdin: 'pipe',
    stdout: 'pipe',
    stderr: 'pipe',
    buffer: false,
    reject: false,
    detached: true,
    env: trainerEnvironment(environment, packageFolder, processes),
    extendEnv: false,
  });
}

/** One live trainer process and the requests it works on; once it has ended it stays ended. */
export class TrainerSession {
  readonly #process: ReturnType<typeof spawn>;
  readonly #pending = new Map<string, Pending>();
  readonly #lastLines: string[] = [];
  readonly #ready: Promise<void>;
  #announced: () => void = () => undefined;
  #failed: (error: unknown) => void = () => undefined;
  #fault: PipelineError | null = null;
  #count = 0;
  #live = true;
  #leaving = false;
  /** Resolves when the process has gone and every request has been answered or refused. */
  readonly ended: Promise<void>;

  constructor(options: TrainerOptions) {
    this.#ready = new Promise((resolve, reject) => {
      this.#announced = resolve;
      this.#failed = reject;
    });
    this.#ready.catch(() => undefined);
    this.#process = spawn(options);
    this.#process.stdin.on('error', () => undefined);
    const errors = createInterface({ input: this.#process.stderr });
    errors.on('line', (line) => {
      this.#lastLines.push(line);
      if (this.#lastLines.length > QUOTED_LINES) this.#lastLines.shift();
      options.log(line);
    });
    const lines = createInterface({ input: this.#process.stdout });
    lines.on('line', (line) => this.#receive(line));
    this.ended = this.#end(Promise.all([once(lines, 'close'), once(errors, 'close')]));
  }

  get pid(): number | null {
    return this.#live ? (this.#process.pid ?? null) : null;
  }

  get live(): boolean {
    return this.#live;
  }

  /** Whether it lives, but was told to end: what is asked of it now dies with it. */
  get leaving(): boolean {
    return this.#live && this.#leaving;
  }

  /** Sends a request; its result is checked against the verb's schema. */
  async request<V extends Verb>(
    verb: V,
    params: VerbParams<V>,
    onEvent?: (event: TrainerEvent) => void,
  ): Promise<VerbResult<V>> {
    this.#count += 1;
    const id = `${verb}-${this.#count}`;
    const request = TrainerRequest.parse({ id, verb, params });
    const answer = new Promise<unknown>((resolve, reject) => {
      // Lines are read in the asynchronous context of whoever started the process: an activity that is long over.
      const heard = onEvent === undefined ? undefined : AsyncResource.bind(onEvent);
      this.#pending.set(id, { verb, resolve, reject, onEvent: heard });
    });
    answer.catch(() => undefined);
    if (this.#live) this.#write(request);
    else this.#refuseAll(this.#death(null));
    await this.#ready;
    const result = VERBS[verb].result.safeParse(await answer, { reportInput: true });
    if (result.success) return result.data as VerbResult<V>;
    const problems = result.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`);
    throw new PipelineError(
      'Internal',
      `expected a result of \`${verb}\` as in the protocol, got ${problems.join('; ')}: worker and trainer must be of one version`,
    );
  }

  /** Asks a running `train` to checkpoint and go on. */
  checkpoint(): void {
    this.#count += 1;
    this.#write({ id: `checkpoint-${this.#count}`, verb: 'checkpoint' });
  }

  /** Asks a running `train` to checkpoint and end. */
  stop(): void {
    this.#count += 1;
    this.#write({ id: `stop-${this.#count}`, verb: 'stop' });
  }

  /** Asks the process to end after its current request. */
  shutDown(): void {
    this.#leaving = true;
    this.#count += 1;
    this.#write({ id: `shutdown-${this.#count}`, verb: 'shutdown' });
  }

  /** Signals the process and all that it started. */
  signal(name: 'SIGTERM' | 'SIGKILL'): void {
    this.#leaving = true;
    const { pid } = this.#process;
    if (!this.#live || pid === undefined) return;
    try {
      process.kill(-pid, name);
    } catch {
      // Gone already.
    }
  }

  #write(request: TrainerRequest): void {
    if (this.#live && this.#process.stdin.writable) this.#process.stdin.write(`${JSON.stringify(request)}\n`);
  }

  #receive(line: string): void {
    const event = parseEvent(line);
    if (event === null) {
      this.#fault ??= new PipelineError(
        'Internal',
        otherVersion(line) ??
          `expected an event of the trainer protocol on stdout, got ${JSON.stringify(line.slice(0, 200))}: the trainer was ended`,
      );
      this.signal('SIGKILL');
      return;
    }
    if (event.event === 'ready') {
      this.#announced();
      return;
    }
    const pending = this.#pending.get(event.id);
    if (pending === undefined) return;
    if (event.event === 'result') {
      this.#pending.delete(event.id);
      pending.resolve(event.result);
    } else if (event.event === 'error') {
      this.#pending.delete(event.id);
      pending.reject(new PipelineError(event.kind, event.message, { details: event.details }));
    } else {
      this.#tell(pending, event);
    }
  }

  /** A listener that throws must not harm the training that it listens to: its request alone fails. */
  #tell(pending: Pending, event: TrainerEvent): void {
    try {
      pending.onEvent?.(event);
    } catch (error) {
      pending.reject(error);
    }
  }

  async #end(read: Promise<unknown>): Promise<void> {
    const result = await this.#process;
    // A result may still lie in the pipe; a child of the trainer that holds the pipe open must not hold us up.
    await Promise.race([read, sleep(1000, undefined, { ref: false })]);
    this.#live = false;
    this.#refuseAll(this.#fault ?? this.#death(result));
  }

  #refuseAll(error: PipelineError): void {
    this.#failed(error);
    for (const { reject } of this.#pending.values()) reject(error);
    this.#pending.clear();
  }

  #death(
    result: {
      exitCode?: number | undefined;
      signal?: string | undefined;
      originalMessage?: string | undefined;
    } | null,
  ): PipelineError {
    const verbs = [...this.#pending.values()].map(({ verb }) => `\`${verb}\``).join(', ') || 'no request';
    const how =
      result?.signal !== undefined
        ? `signal ${result.signal}`
        : result?.exitCode !== undefined
          ? `exit code ${result.exitCode}`
          : (result?.originalMessage ?? 'an earlier end');
    const said = this.#lastLines.length === 0 ? '' : `. Its last lines:\n${this.#lastLines.join('\n')}`;
    return new PipelineError(
      'TrainerDied',
      `expected the trainer to live while it worked on ${verbs}, got ${how}${said}`,
      {
        details: { exitCode: result?.exitCode ?? null, signal: result?.signal ?? null },
      },
    );
  }
}

/** What is wrong with a trainer that announces another version of the protocol; null: the line is no such announcement. */
function otherVersion(line: string): string | null {
  const protocol = /^\{"event": ?"ready", ?"protocol": ?(\d+)/.exec(line)?.[1];
  return protocol === undefined
    ? null
    : `expected a trainer that speaks protocol 1, got one that speaks ${protocol}: worker and trainer must be of one version; run "npm run setup" where the worker runs, or take its image and its PLEIN_AIR_PYTHON from one release`;
}

function parseEvent(line: string): TrainerEvent | null {
  try {
    const parsed = TrainerEvent.safeParse(JSON.parse(line));
    return parsed.success ? parsed.data : null;
  } catch {
    return null;
  }
}
