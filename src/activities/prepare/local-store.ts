import { createHash, randomUUID } from 'node:crypto';
import { mkdir, open, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { Candidate, Drop } from '../../domain/dataset/measures.ts';
import { Sha256 } from '../../domain/refs.ts';
import { sha256Of } from '../../hub/hashing.ts';

export const Slice = z.strictObject({ offset: z.int(), length: z.int(), sha256: Sha256 });
/** Where a picture's bytes are in a pack, and their sha256. */
export type Slice = z.infer<typeof Slice>;

const Kind = z.enum(['wanted', 'neighbor']);

/** Everything that came out of one row group; its pictures' bytes are in the pack beside it. */
export const GroupResult = z.strictObject({
  bytesRead: z.int(),
  /** The pack, named by its sha256: attempts that run at once write the same bytes under the same name. */
  pack: z.string().regex(/^shards\/\d{5}\/[\w.-]+$/),
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
    await mkdir(dirname(join(this.folder, name)), { recursive: true });
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
    const temporary = join(this.folder, `${group}-${randomUUID()}.tmp`);
    await mkdir(dirname(temporary), { recursive: true });
    const handle = await open(temporary, 'wx');
    const digest = createHash('sha256');
    let offset = 0;
    return {
      async append(bytes) {
        const slice = { offset, length: bytes.length, sha256: sha256Of(bytes) };
        offset += bytes.length;
        digest.update(bytes);
        await handle.write(bytes, 0, bytes.length, slice.offset);
        return slice;
      },
      close: async () => {
        await handle.sync();
        await handle.close();
        const pack = `${group}-${digest.digest('hex').slice(0, 16)}.pack`;
        await rename(temporary, join(this.folder, pack));
        return { pack, packBytes: offset };
      },
      discard: async () => {
        await handle.close().catch(() => undefined);
        await rm(temporary, { force: true });
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

/** A file that pictures are appended to, one after the other. */
export interface Pack {
  append(bytes: Uint8Array): Promise<Slice>;
  /** Completes the file and says what it is called. */
  close(): Promise<{ pack: string; packBytes: number }>;
  discard(): Promise<void>;
}
