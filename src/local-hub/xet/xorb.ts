import { type FileHandle, open } from 'node:fs/promises';
import { decodeLz4Frame, ungroupBytes } from './lz4.ts';

const HEADER = 8;
const LARGEST_CHUNK = 16 * 1024 * 1024;

interface ChunkPlace {
  readonly at: number;
  readonly stored: number;
  readonly scheme: number;
  readonly size: number;
}

/** An uploaded xorb on disk: compressed chunks one after another, each behind an 8-byte header. */
export class Xorb {
  readonly #file: FileHandle;
  readonly #chunks: ChunkPlace[] = [];
  #indexed = 0;

  constructor(file: FileHandle) {
    this.#file = file;
  }

  /** Opens the file of a xorb; close it after use. */
  static async open(path: string): Promise<Xorb> {
    return new Xorb(await open(path, 'r'));
  }

  async close(): Promise<void> {
    await this.#file.close();
  }

  async #place(index: number): Promise<ChunkPlace> {
    while (this.#chunks.length <= index) {
      const header = await this.#read(this.#indexed, HEADER);
      const place = {
        at: this.#indexed + HEADER,
        stored: header.readUIntLE(1, 3),
        scheme: header.readUInt8(4),
        size: header.readUIntLE(5, 3),
      };
      if (place.size > LARGEST_CHUNK) throw new Error(`Expected a chunk of at most ${LARGEST_CHUNK} bytes`);
      this.#chunks.push(place);
      this.#indexed = place.at + place.stored;
    }
    return this.#chunks[index] as ChunkPlace;
  }

  async #read(at: number, length: number): Promise<Buffer> {
    const bytes = Buffer.allocUnsafe(length);
    const { bytesRead } = await this.#file.read(bytes, 0, length, at);
    if (bytesRead !== length) throw new Error('Expected a whole xorb, it ends inside a chunk');
    return bytes;
  }

  /** The bytes of one chunk, decompressed. */
  async chunk(index: number): Promise<Buffer> {
    const { at, stored, scheme, size } = await this.#place(index);
    const bytes = await this.#read(at, stored);
    if (scheme === 0) return bytes;
    if (scheme === 1) return decodeLz4Frame(bytes, size);
    if (scheme === 2) return ungroupBytes(decodeLz4Frame(bytes, size));
    throw new Error(`Expected chunk scheme 0, 1 or 2, got ${scheme}`);
  }
}
