import type { FileHandle } from 'node:fs/promises';
import type { AsyncBuffer } from 'hyparquet';
import { PipelineError } from '../domain/errors.ts';
import type { CommitRef } from '../domain/refs.ts';
import type { Hub } from '../hub/hub.ts';

/** A file on the Hub that is read by ranges, and how many bytes were asked for. */
export interface HubFile extends AsyncBuffer {
  readonly path: string;
  /** Bytes of all ranges so far; retries of a range are not counted. */
  bytesRead(): number;
  /** Shows that somebody is at work on the file, though nothing is read. */
  alive?(): void;
  /** Appends a range to a file on the disk, and holds little of it in memory. */
  append?(to: FileHandle, start: number, end: number): Promise<void>;
}

/** Bytes of one request at the most: what a failed one costs, and how often a long read shows that it lives. */
const RANGE_BYTES = 8 * 1024 * 1024;

/** Opens a file of a repository at a commit; retries are the Hub port's. */
export async function openHubFile(p: {
  hub: Hub;
  at: CommitRef;
  path: string;
  bytes: number;
  signal?: AbortSignal | undefined;
  /** Called after every request, and now and then while what was read is decoded. */
  onRange?: (() => void) | undefined;
}): Promise<HubFile> {
  let read = 0;
  const range = async (start: number, end: number): Promise<Buffer> => {
    p.signal?.throwIfAborted();
    const bytes = await p.hub.readRange(p.at, p.at.commit, p.path, start, end);
    if (bytes.length !== end - start)
      throw new PipelineError(
        'HubUnavailable',
        `Expected ${end - start} bytes of ${p.at.repo}/${p.path} from byte ${start}, got ${bytes.length}`,
      );
    read += bytes.length;
    p.onRange?.();
    return bytes;
  };
  return {
    path: p.path,
    byteLength: p.bytes,
    bytesRead: () => read,
    alive: () => p.onRange?.(),
    async slice(start, end = p.bytes) {
      if (end - start <= RANGE_BYTES) return bufferOf(await range(start, end));
      const whole = new Uint8Array(end - start);
      for (let at = start; at < end; at += RANGE_BYTES)
        whole.set(await range(at, Math.min(end, at + RANGE_BYTES)), at - start);
      return whole.buffer;
    },
    async append(to, start, end) {
      for (let at = start; at < end; at += RANGE_BYTES)
        await to.appendFile(await range(at, Math.min(end, at + RANGE_BYTES)));
    },
  };
}

function bufferOf(bytes: Buffer): ArrayBuffer {
  return bytes.buffer.byteLength === bytes.length
    ? (bytes.buffer as ArrayBuffer)
    : (bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length) as ArrayBuffer);
}
