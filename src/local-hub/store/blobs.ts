import { createHash } from 'node:crypto';
import { constants, createReadStream, type ReadStream } from 'node:fs';
import { lstat, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { badRequest } from '../http/errors.ts';
import { publish, writeTemporary } from './durable.ts';
import { writeInBatches } from './write-in-batches.ts';

// The numeric flags pass through the stream to open(2), although its type names text only.
const READ = (constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0)) as unknown as string;

/** What the store knows of a stored file's bytes. */
export interface StoredBlob {
  readonly sha256: string;
  readonly size: number;
}

/** What the bytes must turn out to be; anything else is refused and not kept. */
export interface ExpectedBlob {
  readonly sha256?: string | undefined;
  readonly size?: number | undefined;
}

/** The contents of every file in every repo, one file each, named by sha256. */
export class BlobStore {
  readonly root: string;

  constructor(root: string) {
    this.root = root;
  }

  /** Where the bytes of a sha256 lie, or will lie. */
  path(sha256: string): string {
    return join(this.root, 'blobs', 'sha256', sha256.slice(0, 2), sha256.slice(2));
  }

  /** Size in bytes, or undefined where it is not stored; a link that somebody planted there is no blob. */
  async size(sha256: string): Promise<number | undefined> {
    try {
      const found = await lstat(this.path(sha256));
      return found.isFile() ? found.size : undefined;
    } catch {
      return undefined;
    }
  }

  /** Streams bytes to disk while hashing them; memory stays at one chunk whatever the size. */
  async store(chunks: AsyncIterable<Uint8Array>, expected: ExpectedBlob = {}): Promise<StoredBlob> {
    const hash = createHash('sha256');
    let size = 0;
    const temporary = await writeTemporary(this.root, async (file) => {
      size = await writeInBatches(file, chunks, (chunk, soFar) => {
        if (expected.size !== undefined && soFar > expected.size) {
          throw badRequest(`Expected ${expected.size} bytes, got more`);
        }
        hash.update(chunk);
      });
    });
    const sha256 = hash.digest('hex');
    try {
      if (expected.size !== undefined && size !== expected.size) {
        throw badRequest(`Expected ${expected.size} bytes, got ${size}`);
      }
      if (expected.sha256 !== undefined && sha256 !== expected.sha256) {
        throw badRequest(`Expected bytes with sha256 ${expected.sha256}, got ${sha256}`);
      }
      await publish(temporary, this.path(sha256));
    } catch (error) {
      await rm(temporary, { force: true });
      throw error;
    }
    return { sha256, size };
  }

  /** Stores bytes that are in memory already; what the store holds is not written again. */
  async storeBytes(bytes: Uint8Array): Promise<StoredBlob> {
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    if ((await this.size(sha256)) === bytes.byteLength) return { sha256, size: bytes.byteLength };
    const once = async function* (): AsyncGenerator<Uint8Array> {
      yield bytes;
    };
    return this.store(once(), { sha256 });
  }

  /** Reads bytes from `start` up to and including `end`. */
  read(sha256: string, range?: { start: number; end: number }): ReadStream {
    return createReadStream(this.path(sha256), { ...range, flags: READ, highWaterMark: 1024 * 1024 });
  }
}
