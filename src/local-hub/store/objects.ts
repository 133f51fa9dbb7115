import { createHash } from 'node:crypto';
import { access, readFile, rename } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { ensureFolder, syncDirectory, writeTemporary } from './durable.ts';

const CACHE_BYTES = 24 * 1024 * 1024;

/** Immutable JSON records of one repo (commits, folders), each named by the sha1 of its kind and text. */
export class ObjectStore {
  readonly #root: string;
  readonly #folder: string;
  readonly #cache = new Map<string, { value: unknown; bytes: number }>();
  #cached = 0;

  constructor(root: string, repoFolder: string) {
    this.#root = root;
    this.#folder = join(repoFolder, 'objects');
  }

  /** Where the record of an id lies. */
  path(oid: string): string {
    return join(this.#folder, oid.slice(0, 2), oid.slice(2));
  }

  /** The record's text must hash to its id: damage is an error, never a wrong answer. */
  async read<T>(kind: string, oid: string): Promise<T | undefined> {
    const cached = this.#cache.get(oid);
    if (cached) {
      this.#cache.delete(oid);
      this.#cache.set(oid, cached);
      return cached.value as T;
    }
    let text: string;
    try {
      text = await readFile(this.path(oid), 'utf8');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    }
    if (idOf(kind, text) !== oid) return undefined;
    const value = JSON.parse(text) as T;
    this.#remember(oid, value, text.length);
    return value;
  }

  /** Writes and flushes a record, unless it is there already; returns its id. */
  async write(kind: string, value: unknown): Promise<string> {
    const text = JSON.stringify(value);
    const oid = idOf(kind, text);
    const target = this.path(oid);
    if (await exists(target)) return oid;
    const temporary = await writeTemporary(this.#root, async (file) => {
      await file.writeFile(text);
    });
    await ensureFolder(dirname(target));
    await rename(temporary, target);
    await syncDirectory(dirname(target));
    this.#remember(oid, value, text.length);
    return oid;
  }

  #remember(oid: string, value: unknown, bytes: number): void {
    if (this.#cache.has(oid)) return;
    this.#cache.set(oid, { value, bytes });
    this.#cached += bytes;
    for (const [oldest, entry] of this.#cache) {
      if (this.#cached <= CACHE_BYTES) break;
      this.#cache.delete(oldest);
      this.#cached -= entry.bytes;
    }
  }
}

/** The id of a record: sha1, 40 hexadecimal digits, as clients expect of commits. */
export function idOf(kind: string, text: string): string {
  return createHash('sha1')
    .update(`${kind} ${Buffer.byteLength(text)}\0`)
    .update(text)
    .digest('hex');
}

async function exists(path: string): Promise<boolean> {
  try {
    await access(path);
    return true;
  } catch {
    return false;
  }
}
