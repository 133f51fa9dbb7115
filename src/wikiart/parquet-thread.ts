import { Worker } from 'node:worker_threads';
import type { AsyncBuffer, FileMetaData } from 'hyparquet';

/**
 * Decodes parquet in a thread of its own. A damaged file can send the decoder into a loop that never ends (a run of two
 * thousand million equal values in a page of eight); a thread can be given up, an event loop cannot.
 */
export type ParquetTask =
  | { kind: 'metadata'; initialFetchSize: number }
  | { kind: 'rows'; metadata: FileMetaData; columns: string[]; rowStart: number; rowEnd: number };

/** Longest time that decoding may take between two reads of the file: a hundred times what a large row group takes. */
export const parquetLimits = { patienceMs: 30_000 };
/** Most memory that decoding may take: a row group of a thousand large pictures fits. */
const MOST_MEGABYTES = 2048;

/** The thread's program; it has no module of its own, so that it runs the same from sources and from a build. */
const PROGRAM = `
const { parentPort, workerData } = require('node:worker_threads');
const library = import(workerData);
const reads = new Map();
let last = 0;
const fileOf = (byteLength) => ({
  byteLength,
  slice: (start, end = byteLength) => new Promise((resolve, reject) => {
    reads.set(++last, { resolve, reject });
    parentPort.postMessage({ read: last, start, end });
  }),
});
const run = async ({ byteLength, task }) => {
  const { parquetMetadataAsync, parquetReadObjects } = await library;
  const file = fileOf(byteLength);
  if (task.kind === 'metadata') return parquetMetadataAsync(file, task);
  // utf8: false, or bytes that happen to be valid text come back as text and are lost.
  return parquetReadObjects({ ...task, file, utf8: false });
};
const buffersOf = (result) => {
  const found = new Set();
  for (const row of Array.isArray(result) ? result : [])
    for (const value of Object.values(row))
      if (value?.bytes instanceof Uint8Array) found.add(value.bytes.buffer);
  return [...found];
};
parentPort.on('message', (message) => {
  if (message.read === undefined)
    run(message).then(
      (result) => parentPort.postMessage({ result }, buffersOf(result)),
      (error) => parentPort.postMessage({ error: String(error?.message ?? error) }),
    );
  else if (message.bytes === undefined) reads.get(message.read).reject(new Error('the file cannot be read'));
  else reads.get(message.read).resolve(message.bytes);
});
`;
const LIBRARY = new URL('../../node_modules/hyparquet/src/index.js', import.meta.url).href;

type Message = { read: number; start: number; end: number } | { result: unknown } | { error: string };

/** Runs one task on a file, whose slices it takes for its own; what reading the file throws is thrown as it is, all else is an error about its content. */
export async function inParquetThread<T>(
  file: AsyncBuffer,
  task: ParquetTask,
  { patienceMs } = parquetLimits,
): Promise<T> {
  const thread = await idleThread();
  let timer: NodeJS.Timeout | undefined;
  try {
    const result = await new Promise<T | DecoderError>((resolve, reject) => {
      const wait = (): void => {
        clearTimeout(timer);
        timer = setTimeout(
          () => reject(new Error(`no end after ${Math.round(patienceMs / 1000)} s of decoding`)),
          patienceMs,
        );
      };
      const read = async (message: { read: number; start: number; end: number }): Promise<void> => {
        clearTimeout(timer);
        try {
          const bytes = await file.slice(message.start, message.end);
          wait();
          thread.postMessage({ read: message.read, bytes }, [bytes]);
        } catch (error) {
          reject(error instanceof Error ? error : new Error(String(error)));
        }
      };
      thread.on('message', (message: Message) => {
        if ('read' in message) void read(message);
        else if ('error' in message) resolve(new DecoderError(message.error));
        else resolve(message.result as T);
      });
      thread.once('error', reject);
      thread.once('exit', (code) => reject(new Error(`the decoder ended with ${code}`)));
      wait();
      thread.postMessage({ byteLength: file.byteLength, task });
    });
    for (const event of ['message', 'error', 'exit']) thread.removeAllListeners(event);
    idle.push(thread);
    thread.unref();
    if (result instanceof DecoderError) throw result;
    return result;
  } catch (error) {
    if (error instanceof DecoderError) throw error;
    // Whatever it is doing, nobody waits for it any more.
    for (const event of ['message', 'error', 'exit']) thread.removeAllListeners(event);
    thread.on('error', () => undefined);
    await thread.terminate();
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

/** What the decoder says of a file's content; the thread is as good as before. */
class DecoderError extends Error {}

const idle: Worker[] = [];

async function idleThread(): Promise<Worker> {
  const thread =
    idle.pop() ??
    new Worker(PROGRAM, {
      eval: true,
      workerData: LIBRARY,
      execArgv: [],
      resourceLimits: { maxOldGenerationSizeMb: MOST_MEGABYTES },
    });
  thread.ref();
  return thread;
}
