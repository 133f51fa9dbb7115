import { type ChildProcess, spawn } from 'node:child_process';
import { killIfThere } from '../../wire/processes.ts';

/**
 * Runs a job's command and ends it when its Hub ends: the Hub holds the other end of standard input, and when that closes
 * the command is asked to end and, after a grace, made to.
 */
const LEASH = `const { spawn } = require('node:child_process');
const [file, ...args] = process.argv.slice(1);
const child = spawn(file, args, { stdio: ['ignore', 'inherit', 'inherit'] });
const stop = () => {
  child.kill('SIGTERM');
  setTimeout(() => child.kill('SIGKILL'), 60000).unref();
};
process.stdin.resume();
process.stdin.once('end', stop).once('error', stop);
process.once('SIGTERM', stop);
child.once('error', (error) => {
  process.stderr.write(file + ' could not be started: ' + error.message + '\\n');
  process.exit(127);
});
child.once('exit', (code) => process.exit(code ?? 137));
`;

const MAX_LINES = 5000;
const MAX_LINE = 4000;
const GRACE_MS = 70_000;

export type JobStage = 'SCHEDULING' | 'RUNNING' | 'COMPLETED' | 'CANCELED' | 'ERROR';

/** What a client asked for, as it may be shown: without the secrets. */
export interface JobSpec {
  readonly image: string;
  readonly command: readonly string[];
  readonly arguments: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  readonly flavor: string;
  readonly timeoutSeconds: number;
  readonly owner: string;
}

/** A line of a job's log. */
export interface LogLine {
  readonly timestamp: string;
  readonly data: string;
}

/** A job as a real process of its own, in a group of its own. */
export class Job {
  readonly id: string;
  readonly spec: JobSpec;
  readonly createdAt = new Date();
  labels: Record<string, string>;
  finishedAt: Date | null = null;
  stage: JobStage = 'RUNNING';
  message: string | null = null;
  readonly log: LogLine[] = [];
  /** Lines that were dropped from the front of the log. */
  dropped = 0;
  readonly ended: Promise<void>;
  readonly #child: ChildProcess;
  readonly #listeners = new Set<() => void>();

  constructor(
    id: string,
    spec: JobSpec,
    run: { labels: Record<string, string>; cwd: string; environment: Record<string, string> },
  ) {
    this.id = id;
    this.spec = spec;
    this.labels = run.labels;
    this.#say(`===== Job started at ${this.createdAt.toISOString()} =====`);
    this.#child = spawn(process.execPath, ['-e', LEASH, '--', ...spec.command, ...spec.arguments], {
      cwd: run.cwd,
      env: run.environment,
      detached: true,
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    this.#child.stdin?.on('error', () => undefined);
    for (const stream of [this.#child.stdout, this.#child.stderr]) this.#read(stream);
    const timer = setTimeout(
      () => void this.stop('ERROR', `Job timeout: it ran for ${spec.timeoutSeconds} s`),
      Math.min(spec.timeoutSeconds * 1000, 2 ** 31 - 1),
    );
    timer.unref();
    this.ended = new Promise((done) => {
      const end = (stage: JobStage, message: string | null) => {
        clearTimeout(timer);
        if (this.stage === 'RUNNING') this.stage = stage;
        this.message ??= message;
        this.finishedAt = new Date();
        this.#changed();
        done();
      };
      this.#child.once('error', (error) => end('ERROR', error.message));
      this.#child.once('close', (code, signal) =>
        code === 0 ? end('COMPLETED', null) : end('ERROR', `Job failed with exit code: ${code ?? signal}`),
      );
    });
  }

  /** Whether it has ended. */
  get isOver(): boolean {
    return this.finishedAt !== null;
  }

  /** Calls back after every new line and at the end; returns what stops that. */
  listen(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Asks the process to end, and makes its whole group after the grace. */
  async stop(stage: 'CANCELED' | 'ERROR', message: string | null, graceMs = GRACE_MS): Promise<void> {
    if (this.isOver) return;
    this.stage = stage;
    this.message = message;
    this.#child.kill('SIGTERM');
    const timer = setTimeout(() => this.#killGroup(), graceMs);
    await this.ended;
    clearTimeout(timer);
  }

  #killGroup(): void {
    if (this.#child.pid !== undefined) killIfThere(-this.#child.pid);
  }

  #read(stream: ChildProcess['stdout']): void {
    let rest = '';
    stream?.setEncoding('utf8').on('data', (text: string) => {
      const lines = `${rest}${text}`.split(/\r?\n/);
      rest = (lines.pop() ?? '').slice(0, MAX_LINE);
      for (const line of lines) this.#say(line);
    });
    stream?.once('end', () => {
      if (rest !== '') this.#say(rest);
    });
  }

  #say(line: string): void {
    this.log.push({ timestamp: new Date().toISOString(), data: line.slice(0, MAX_LINE) });
    if (this.log.length > MAX_LINES) {
      this.log.shift();
      this.dropped += 1;
    }
    this.#changed();
  }

  #changed(): void {
    for (const listener of this.#listeners) listener();
  }
}
