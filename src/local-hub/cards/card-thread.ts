import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { HubError } from '../http/errors.ts';
import type { CardTask } from './thread.ts';

/** Longest work on one text; a text that takes longer is made to. */
const LIMIT_MS = 1000;
/** Longest time that a thread may take to load. */
const START_MS = 30_000;
const MAX_WAITING = 64;
const MEMORY_MB = 192;

/** Says that a text took too much time or memory. */
export class TooCostly extends Error {}

/** One thread that takes texts one at a time, each within a time and a memory; it is made anew where one exceeds them. */
export class CardThread {
  #worker: Promise<Worker> | undefined;
  #tail: Promise<unknown> = Promise.resolve();
  #waiting = 0;

  /** Runs a task in its turn; throws {@link TooCostly} where it exceeds its limits, and 503 where too many wait. */
  async run(task: CardTask): Promise<unknown> {
    if (this.#waiting >= MAX_WAITING)
      throw new HubError(503, 'Too many cards are being read: try again in some seconds');
    this.#waiting += 1;
    const turn = this.#tail.then(() => this.#work(task));
    this.#tail = turn.catch(() => undefined);
    try {
      return await turn;
    } finally {
      this.#waiting -= 1;
    }
  }

  async #work(task: CardTask): Promise<unknown> {
    const worker = await this.#thread();
    worker.ref();
    try {
      return await answerOf(worker, LIMIT_MS, () => worker.postMessage(task));
    } catch (error) {
      if (error instanceof TooCostly) {
        this.#worker = undefined;
        await worker.terminate();
      }
      throw error;
    } finally {
      worker.unref();
    }
  }

  #thread(): Promise<Worker> {
    if (this.#worker) return this.#worker;
    const starting = startThread();
    const forget = (): void => {
      if (this.#worker === starting) this.#worker = undefined;
    };
    starting.then((worker) => worker.once('exit', forget), forget);
    this.#worker = starting;
    return starting;
  }

  /** Ends the thread. */
  async close(): Promise<void> {
    const worker = await this.#worker?.catch(() => undefined);
    this.#worker = undefined;
    await worker?.terminate();
  }
}

async function startThread(): Promise<Worker> {
  const module = new URL(import.meta.url.replace(/card-thread(\.\w+)$/, 'thread$1'));
  // From sources, the loader that tests and scripts run by.
  const isSource = module.pathname.endsWith('.ts');
  const file = isSource ? new URL('../../../scripts/ts.mjs', import.meta.url) : module;
  const worker = new Worker(file, {
    ...(isSource ? { argv: [fileURLToPath(module)] } : {}),
    env: {},
    execArgv: [],
    resourceLimits: { maxOldGenerationSizeMb: MEMORY_MB, maxYoungGenerationSizeMb: 32 },
  });
  worker.unref();
  await answerOf(worker, START_MS, () => undefined);
  return worker;
}

/** The next message of a thread, within a time. */
function answerOf(worker: Worker, limitMs: number, ask: () => void): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const end = (): void => {
      clearTimeout(timer);
      worker.off('message', onMessage).off('error', onError).off('exit', onExit);
    };
    const fail = (why: string): void => {
      end();
      reject(new TooCostly(why));
    };
    const onMessage = ({ result, error }: { result?: unknown; error?: string }): void => {
      end();
      if (error === undefined) resolve(result);
      else reject(new Error(error));
    };
    const onError = (error: Error): void => fail(error.message);
    const onExit = (code: number): void => fail(`the thread ended with code ${code}`);
    const timer = setTimeout(() => fail(`it took more than ${limitMs / 1000} s`), limitMs);
    worker.on('message', onMessage).on('error', onError).on('exit', onExit);
    ask();
  });
}
