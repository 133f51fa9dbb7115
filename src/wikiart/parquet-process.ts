import { type ChildProcess, spawn } from 'node:child_process';
import { type FileHandle, open } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import type { AsyncBuffer, FileMetaData } from 'hyparquet';
import { PipelineError } from '../domain/errors.ts';
import { MAX_MEGABYTES, PARQUET_PROGRAM } from './parquet-program.ts';

/**
 * Decodes parquet in a process of its own. A run length of two thousand million in a page of eight values sends the decoder
 * into a loop that never ends, or past the longest array that V8 knows, and then V8 ends the whole process, whichever
 * thread it was in: only a process can be given up.
 */
export type ParquetTask =
  | { kind: 'metadata'; initialFetchSize: number }
  | { kind: 'rows'; metadata: FileMetaData; columns: string[]; rowStart: number; rowEnd: number }
  | PicturesTask;

/** Decodes pictures from one scratch file to another, so that no process but the decoder's ever holds a whole row group. */
export interface PicturesTask {
  kind: 'pictures';
  metadata: FileMetaData;
  /** One column: that of the pictures. */
  columns: [string];
  rowStart: number;
  rowEnd: number;
  /** Scratch file that ranges of the parquet file go to. */
  input: string;
  /** Scratch file that the pictures go to, one after the other. */
  output: string;
}

/** Where a picture is in the output of a `PicturesTask`; null: the row has none. */
export type PicturePlace = { at: number; length: number } | null;

/** A file to decode; `alive` is called now and then while its content is decoded, which has an end of its own. */
export type ParquetFile = AsyncBuffer & {
  alive?(): void;
  /** Appends a range to a file on the disk. */
  append?(to: FileHandle, start: number, end: number): Promise<void>;
};

/** Longest time that decoding may take between two reads of the file: a hundred times what a large row group takes. */
export const parquetLimits = { patienceMs: 30_000 };
/** Time between two signs of life. */
const ALIVE_MS = 2000;
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
const MAX_IDLE = 2;
/** Bytes of a file beyond which a process is not kept: what a row group leaves on its heap stays there until the next one. */
const MAX_KEPT = 8 * 1024 * 1024;

/** Where npm put a module: beside this package or above it. */
const place = (module: string) => pathToFileURL(createRequire(import.meta.url).resolve(module)).href;
const LIBRARY = place('hyparquet/src/index.js');
/** Codecs beyond snappy: gzip, zstd (Polars' default), brotli and LZ4. */
const CODECS = place('hyparquet-compressors');

type Message = { read: number; start: number; end: number } | { result: unknown } | { error: string };

/** Runs one task on a file; what reading the file throws is thrown as it is, all else is an error about its content. */
export async function inParquetProcess<T>(
  file: ParquetFile,
  task: ParquetTask,
  { patienceMs = parquetLimits.patienceMs, aliveMs = ALIVE_MS } = {},
): Promise<T> {
  const child = takeChild();
  let isWell = false;
  let read = 0;
  const next = inTurn();
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
      const answer = async (message: { read: number; start: number; end: number }): Promise<void> => {
        clearTimeout(deadline);
        try {
          const content = await next(() => rangeFor(file, task, message));
          read += message.end - message.start;
          wait();
          child.send({ read: message.read, ...content }, ignored);
        } catch (error) {
          reject(error instanceof Error ? error : new Error(String(error)));
        }
      };
      child.on('message', (message: Message) => {
        if ('read' in message) void answer(message);
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
    giveBack(child, isWell && read < MAX_KEPT);
  }
}

/** Runs tasks one after the other: columns are asked for at once, and ranges are appended to one file. */
function inTurn(): <R>(task: () => Promise<R>) => Promise<R> {
  let last: Promise<unknown> = Promise.resolve();
  return (task) => {
    const run = last.then(task);
    last = run.catch(() => undefined);
    return run;
  };
}

/** A range of the file: as it is, or as its place in the task's scratch file. */
async function rangeFor(
  file: ParquetFile,
  task: ParquetTask,
  { start, end }: { start: number; end: number },
): Promise<{ bytes: Uint8Array } | { spooled: { path: string; at: number; length: number } }> {
  if (task.kind !== 'pictures') return { bytes: new Uint8Array(await file.slice(start, end)) };
  const to = await open(task.input, 'a');
  try {
    const at = (await to.stat()).size;
    if (file.append === undefined) await to.appendFile(new Uint8Array(await file.slice(start, end)));
    else await file.append(to, start, end);
    return { spooled: { path: task.input, at, length: end - start } };
  } finally {
    await to.close();
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
  return spawn(
    process.execPath,
    [`--max-old-space-size=${MAX_MEGABYTES.heap}`, '-e', PARQUET_PROGRAM, LIBRARY, CODECS],
    {
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
      serialization: 'advanced',
      // It needs nothing of this process's, least of all its tokens.
      env: {},
    },
  );
}

/** Keeps a process that answered; one that did not is ended, whatever it is doing. */
function giveBack(child: ChildProcess, isWell: boolean): void {
  for (const event of ['message', 'error', 'exit']) child.removeAllListeners(event);
  child.on('error', ignored);
  if (isWell && idle.length < MAX_IDLE) {
    idle.push(child);
    child.unref();
    child.channel?.unref();
  } else child.kill('SIGKILL');
}
