import { type ChildProcess, spawn } from 'node:child_process';
import type { AsyncBuffer, FileMetaData } from 'hyparquet';
import { PipelineError } from '../domain/errors.ts';

/**
 * Decodes parquet in a process of its own. A run length of two thousand million in a page of eight values sends the decoder
 * into a loop that never ends, or past the longest array that V8 knows, and then V8 ends the whole process, whichever
 * thread it was in: only a process can be given up.
 */
export type ParquetTask =
  | { kind: 'metadata'; initialFetchSize: number }
  | { kind: 'rows'; metadata: FileMetaData; columns: string[]; rowStart: number; rowEnd: number };

/** A file to decode; `alive` is called now and then while its content is decoded, which has an end of its own. */
export type ParquetFile = AsyncBuffer & { alive?(): void };

/** Longest time that decoding may take between two reads of the file: a hundred times what a large row group takes. */
export const parquetLimits = { patienceMs: 30_000 };
/** Time between two signs of life. */
const ALIVE_MS = 2000;
/** Most memory that decoding may take: on V8's heap, and in all with the pictures' bytes. */
const MOST_MEGABYTES = { heap: 1024, all: 3072 };
/** How V8, the C library and the process's own watch end it when a file's content leads to no good end. */
const ENDED_BY_CONTENT: ReadonlySet<NodeJS.Signals> = new Set([
  'SIGABRT',
  'SIGTRAP',
  'SIGILL',
  'SIGSEGV',
  'SIGBUS',
  'SIGXCPU',
]);
/** Processes that are kept for the next file. */
const MOST_IDLE = 2;

/** The process's program; it has no module of its own, so that it runs the same from sources and from a build. */
const PROGRAM = `
const { Worker } = require('node:worker_threads');
const library = import(process.argv[1]);
const reads = new Map();
let last = 0;
const fileOf = (byteLength) => ({
  byteLength,
  slice: (start, end = byteLength) => new Promise((resolve) => {
    reads.set(++last, resolve);
    process.send({ read: last, start, end });
  }),
});
const run = async ({ byteLength, task }) => {
  const { parquetMetadataAsync, parquetReadObjects } = await library;
  const file = fileOf(byteLength);
  if (task.kind === 'metadata') return parquetMetadataAsync(file, task);
  // utf8: false, or bytes that happen to be valid text come back as text and are lost.
  return parquetReadObjects({ ...task, file, utf8: false });
};
process.on('message', (message) => {
  if (message.read === undefined)
    run(message).then(
      (result) => process.send({ result }),
      (error) => process.send({ error: String(error?.message ?? error) }),
    );
  else {
    const { buffer, byteOffset, byteLength } = message.bytes;
    const whole = byteOffset === 0 && byteLength === buffer.byteLength;
    reads.get(message.read)(whole ? buffer : buffer.slice(byteOffset, byteOffset + byteLength));
    reads.delete(message.read);
  }
});
process.on('disconnect', () => process.exit());
// Ctrl+C and a service's stop go to all processes: the parent, which then ends what it began, needs this one until it is done.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => undefined);
// While this thread is caught in a loop another one must see that the parent was killed, or that memory runs out.
new Worker(\`
  const parent = process.ppid;
  setInterval(() => {
    if (process.ppid !== parent) process.kill(process.pid, 'SIGKILL');
    if (process.memoryUsage.rss() > ${MOST_MEGABYTES.all} * 2 ** 20) process.kill(process.pid, 'SIGXCPU');
  }, 200);
\`, { eval: true }).unref();
`;
const LIBRARY = new URL('../../node_modules/hyparquet/src/index.js', import.meta.url).href;

type Message = { read: number; start: number; end: number } | { result: unknown } | { error: string };

/** Runs one task on a file; what reading the file throws is thrown as it is, all else is an error about its content. */
export async function inParquetProcess<T>(
  file: ParquetFile,
  task: ParquetTask,
  { patienceMs = parquetLimits.patienceMs, aliveMs = ALIVE_MS } = {},
): Promise<T> {
  const child = takeChild();
  let isWell = false;
  let deadline: NodeJS.Timeout | undefined;
  const pulse = setInterval(() => file.alive?.(), aliveMs);
  try {
    return await new Promise<T>((resolve, reject) => {
      const wait = (): void => {
        clearTimeout(deadline);
        deadline = setTimeout(
          () => reject(new Error(`no end after ${Math.round(patienceMs / 1000)} s of decoding`)),
          patienceMs,
        );
      };
      const read = async (message: { read: number; start: number; end: number }): Promise<void> => {
        clearTimeout(deadline);
        try {
          const bytes = await file.slice(message.start, message.end);
          wait();
          child.send({ read: message.read, bytes: new Uint8Array(bytes) }, ignored);
        } catch (error) {
          reject(error instanceof Error ? error : new Error(String(error)));
        }
      };
      child.on('message', (message: Message) => {
        if ('read' in message) void read(message);
        else {
          isWell = true;
          if ('error' in message) reject(new Error(message.error));
          else resolve(message.result as T);
        }
      });
      child.once('error', reject);
      child.once('exit', (code, signal) => reject(endedBy(code, signal)));
      wait();
      child.send({ byteLength: file.byteLength, task }, ignored);
    });
  } finally {
    clearTimeout(deadline);
    clearInterval(pulse);
    giveBack(child, isWell);
  }
}

/** Content that ends the decoder is an error of the file's; a process that somebody ended says nothing about the file. */
function endedBy(code: number | null, signal: NodeJS.Signals | null): Error {
  if (signal === null || ENDED_BY_CONTENT.has(signal))
    return new Error(`content on which the decoder ended with ${signal ?? `code ${code}`}`);
  return new PipelineError(
    'Internal',
    `Expected the process that decodes parquet to answer, got its end by ${signal}: look whether the machine ran out of memory, and retry`,
  );
}

/** A message that cannot be sent is met as the end of the process. */
const ignored = (): void => undefined;

const idle: ChildProcess[] = [];

function takeChild(): ChildProcess {
  for (let child = idle.pop(); child !== undefined; child = idle.pop())
    if (child.connected && child.exitCode === null) {
      child.ref();
      child.channel?.ref();
      return child;
    }
  return spawn(process.execPath, [`--max-old-space-size=${MOST_MEGABYTES.heap}`, '-e', PROGRAM, LIBRARY], {
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    serialization: 'advanced',
    // It needs nothing of this process's, least of all its tokens.
    env: {},
  });
}

/** Keeps a process that answered; one that did not is ended, whatever it is doing. */
function giveBack(child: ChildProcess, isWell: boolean): void {
  for (const event of ['message', 'error', 'exit']) child.removeAllListeners(event);
  child.on('error', ignored);
  if (isWell && idle.length < MOST_IDLE) {
    idle.push(child);
    child.unref();
    child.channel?.unref();
  } else child.kill('SIGKILL');
}
