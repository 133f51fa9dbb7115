import type { AsyncBuffer } from 'hyparquet';
import { PipelineError } from '../domain/errors.ts';
import type { CommitRef } from '../domain/refs.ts';
import type { Hub } from '../hub/hub.ts';

/** A file on the Hub that is read by ranges, and how many bytes were asked for. */
export interface HubFile extends AsyncBuffer {
  readonly path: string;
  /** Bytes of all ranges so far; retries of a range are not counted. */
  bytesRead(): number;
}

/** Opens a file of a repository at a commit; retries are the Hub port's. */
export async function openHubFile(p: {
  hub: Hub;
  at: CommitRef;
  path: string;
  bytes: number;
  signal?: AbortSignal | undefined;
}): Promise<HubFile> {
  let read = 0;
  return {
    path: p.path,
    byteLength: p.bytes,
    bytesRead: () => read,
    async slice(start, end = p.bytes) {
      p.signal?.throwIfAborted();
      const range = await p.hub.readRange(p.at, p.at.commit, p.path, start, end);
      if (range.length !== end - start)
        throw new PipelineError(
          'HubUnavailable',
          `Expected ${end - start} bytes of ${p.at.repo}/${p.path} from byte ${start}, got ${range.length}`,
        );
      read += range.length;
      return range.buffer.byteLength === range.length
        ? (range.buffer as ArrayBuffer)
        : (range.buffer.slice(range.byteOffset, range.byteOffset + range.length) as ArrayBuffer);
    },
  };
}
