import { type ChildProcess, spawn } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';
import { freePort } from '../../wire/free-port.ts';
import { isolated } from './isolation.ts';

const LOG_LINES = 400;
const GRACE_MS = 3000;
const PROBE_MS = 200;
/** Time for what an app that has ended said last. */
const LAST_WORDS_MS = 1000;

/**
 * Runs the app as `__main__` in a process that ends when this one does: its end closes the pipe that a thread waits on.
 * Not through `sys.stdin`: an interpreter that ends by itself would abort over that object's lock.
 */
const BOOTSTRAP = `import os, runpy, sys, threading
def leave():
    while os.read(0, 4096):
        pass
    os._exit(0)
threading.Thread(target=leave, daemon=True).start()
app = sys.argv[1]
sys.argv = [app]
sys.path.insert(0, os.getcwd())
runpy.run_path(app, run_name="__main__")
`;

/** What to run, where, and with which environment. */
export interface AppCommand {
  readonly python: string;
  readonly folder: string;
  /** Folder of the Hub, which the app is not to see. */
  readonly hubFolder: string;
  readonly appFile: string;
  readonly environment: Readonly<Record<string, string>>;
}

/** A Space's app as a real process of its own. */
export class AppProcess {
  readonly port: number;
  readonly #child: ChildProcess;
  readonly #ended: Promise<void>;
  #log: string[] = [];
  #exit: string | undefined;

  private constructor(child: ChildProcess, port: number) {
    this.#child = child;
    this.port = port;
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => this.#remember(text));
    }
    this.#ended = new Promise((done) => {
      child.once('error', (error) => {
        this.#exit = error.message;
        done();
      });
      // What the app started may hold its pipes for as long as it likes: the app has ended all the same.
      child.once('exit', () => setTimeout(() => this.#closePipes(), LAST_WORDS_MS).unref());
      // Not `exit`: what the app said last would still be in the pipe.
      child.once('close', (code, signal) => {
        this.#exit = signal ? `ended by ${signal}` : `ended with code ${code}`;
        done();
      });
    });
  }

  /** Starts the app on a free port of this machine. */
  static async start(command: AppCommand): Promise<AppProcess> {
    const port = await freePort();
    const [file, args] = isolated(command.hubFolder, command.python, [
      '-u',
      '-c',
      BOOTSTRAP,
      command.appFile,
    ]);
    const child = spawn(file, args, {
      cwd: command.folder,
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { ...command.environment, GRADIO_SERVER_PORT: String(port), GRADIO_SERVER_NAME: '127.0.0.1' },
    });
    child.stdin?.on('error', () => undefined);
    return new AppProcess(child, port);
  }

  #remember(text: string): void {
    this.#log.push(...text.split('\n').filter((line) => line !== ''));
    if (this.#log.length > LOG_LINES) this.#log = this.#log.slice(-LOG_LINES);
  }

  /** The last lines that the app printed. */
  get log(): readonly string[] {
    return this.#log;
  }

  /** How the process ended, or undefined while it runs. */
  get exit(): string | undefined {
    return this.#exit;
  }

  /** Resolves when the process has ended. */
  get ended(): Promise<void> {
    return this.#ended;
  }

  /** Whether the app answers within `limitMs`; false as soon as it has ended. */
  async answers(limitMs: number): Promise<boolean> {
    const until = performance.now() + limitMs;
    while (this.#exit === undefined && performance.now() < until) {
      const answer = await fetch(`http://127.0.0.1:${this.port}/`, {
        signal: AbortSignal.timeout(5000),
      }).catch(() => undefined);
      await answer?.body?.cancel();
      if (answer && answer.status < 500) return true;
      await Promise.race([delay(PROBE_MS), this.#ended]);
    }
    return false;
  }

  #closePipes(): void {
    for (const stream of [this.#child.stdout, this.#child.stderr]) stream?.destroy();
  }

  /** Asks the process to end, and makes it after a moment. */
  async stop(): Promise<void> {
    if (this.#exit !== undefined) return;
    // The end of its input is what the app's own bootstrap waits for; namespaces do not pass signals on.
    this.#child.stdin?.end();
    this.#child.kill('SIGTERM');
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), GRACE_MS);
    await this.#ended;
    clearTimeout(timer);
  }
}
