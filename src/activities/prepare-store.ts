import { randomUUID } from 'node:crypto';
import { mkdir, open, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { Candidate, Drop } from '../domain/dataset-measures.ts';
import { Sha256 } from '../domain/refs.ts';
import { sha256Of } from '../hub/hashing.ts';

const Slice = z.strictObject({ offset: z.int(), length: z.int(), sha256: Sha256 });
/** Where a picture's bytes are in a pack, and their sha256. */
export type Slice = z.infer<typeof Slice>;

const Kind = z.enum(['wanted', 'neighbour']);

/** Everything that came out of one row group; its pictures' bytes are in the pack beside it. */
export const GroupResult = z.strictObject({
  bytesRead: z.int(),
  /** Name of the pack: every attempt writes its own, so that two at once cannot mix their bytes. */
  pack: z.string().regex(/^[\w.-]+$/),
  packBytes: z.int(),
  candidates: z.array(z.strictObject({ kind: Kind, candidate: Candidate, png: Slice })),
  dropped: z.array(
    z.strictObject({
      kind: Kind,
      source: z.string(),
      order: z.number(),
      drop: Drop,
      thumbnail: Slice.nullable(),
    }),
  ),
});
export type GroupResult = z.infer<typeof GroupResult>;

/** The results of a preparation so far, on the local disk: whole files only, so that a retry goes on from them. */
export class PrepareStore {
  readonly folder: string;

  constructor(folder: string) {
    this.folder = folder;
  }

  /** A JSON file, parsed; null when it is missing or not as expected, as after a crash. */
  async readJson<T>(name: string, schema: z.ZodType<T>): Promise<T | null> {
    try {
      const parsed = schema.safeParse(JSON.parse(await readFile(join(this.folder, name), 'utf8')));
      return parsed.success ? parsed.data : null;
    } catch {
      return null;
    }
  }

  /** Writes a JSON file whole or not at all. */
  async writeJson(name: string, value: unknown): Promise<void> {
    await mkdir(this.folder, { recursive: true });
    const temporary = join(this.folder, `${name}.${randomUUID()}.tmp`);
    await writeFile(temporary, JSON.stringify(value));
    await rename(temporary, join(this.folder, name));
  }

  /** The result of a row group if it is complete: record read, pack of the recorded size. */
  async group(name: string): Promise<GroupResult | null> {
    const result = await this.readJson(`${name}.json`, GroupResult);
    if (result === null) return null;
    const size = await stat(join(this.folder, result.pack)).then(
      ({ size }) => size,
      () => -1,
    );
    return size === result.packBytes ? result : null;
  }

  /** Starts a pack of its own for a row group; it counts only once a group's record names it. */
  async createPack(group: string): Promise<Pack> {
    await mkdir(this.folder, { recursive: true });
    const name = `${group}-${randomUUID()}.pack`;
    const path = join(this.folder, name);
    const handle = await open(path, 'wx');
    let offset = 0;
    let last: Promise<unknown> = Promise.resolve();
    return {
      name,
      append(bytes) {
        const slice = { offset, length: bytes.length, sha256: sha256Of(bytes) };
        offset += bytes.length;
        last = last.then(() => handle.write(bytes, 0, bytes.length, slice.offset));
        return last.then(() => slice);
      },
      close: async () => {
        await last;
        await handle.close();
        return offset;
      },
      discard: async () => {
        await last.catch(() => undefined);
        await handle.close().catch(() => undefined);
        await rm(path, { force: true });
      },
    };
  }

  /** Reads a slice of a pack and checks its sha256. */
  async readSlice(pack: string, slice: Slice): Promise<Buffer> {
    const handle = await open(join(this.folder, pack), 'r');
    try {
      const bytes = Buffer.alloc(slice.length);
      await handle.read(bytes, 0, slice.length, slice.offset);
      if (sha256Of(bytes) !== slice.sha256)
        throw new Error(
          `Expected sha256 ${slice.sha256} at byte ${slice.offset} of ${join(this.folder, pack)}: the work folder is damaged, delete it`,
        );
      return bytes;
    } finally {
      await handle.close();
    }
  }
}

/** A file that pictures are appended to. */
export interface Pack {
  readonly name: string;
  append(bytes: Uint8Array): Promise<Slice>;
  close(): Promise<number>;
  discard(): Promise<void>;
}
