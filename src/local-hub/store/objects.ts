import { createHash } from 'node:crypto';
import { access, readdir, readFile, rename } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { ensureFolder, syncDirectory, writeTemporary } from './durable.ts';
import type { RecordCache } from './record-cache.ts';

const OID = /^[0-9a-f]{40}$/;
let stores = 0;

/** Immutable JSON records of one repo (commits, folders), each named by the sha1 of its kind and text. */
export class ObjectStore {
  readonly #root: string;
  readonly #folder: string;
  readonly #cache: RecordCache;
  // Keys are of this store alone: a repo must not serve what only another one holds, nor what one before it held.
  readonly #id = `${stores++}:`;

  constructor(root: string, repoFolder: string, cache: RecordCache) {
    this.#root = root;
    this.#folder = join(repoFolder, 'objects');
    this.#cache = cache;
  }

  /** Where the record of an id lies. */
  path(oid: string): string {
    return join(this.#folder, oid.slice(0, 2), oid.slice(2));
  }

  /** Ids of stored records that begin with these characters, two or more. */
  async beginningWith(start: string): Promise<string[]> {
    const names = await readdir(join(this.#folder, start.slice(0, 2))).catch(() => []);
    return names.map((name) => `${start.slice(0, 2)}${name}`).filter((oid) => oid.startsWith(start));
  }

  /** The record's text must hash to its id: damage is an error, never a wrong answer. */
  async read<T>(kind: string, oid: string): Promise<T | undefined> {
    if (!OID.test(oid)) return undefined;
    const cached = this.#cache.get(this.#id + oid);
    if (cached !== undefined) return cached as T;
    let text: string;
    try {
      text = await readFile(this.path(oid), 'utf8');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    }
    if (idOf(kind, text) !== oid) return undefined;
    const value = JSON.parse(text) as T;
    this.#cache.set(this.#id + oid, value, text.length);
    return value;
  }

  /** Writes and flushes a record, unless it is there already; returns its id. */
  async write(kind: string, value: unknown): Promise<string> {
    const text = JSON.stringify(value);
    const oid = idOf(kind, text);
    if (await this.#keep(oid, text)) this.#cache.set(this.#id + oid, value, text.length);
    return oid;
  }

  /** Takes over a record of another store under its id; whoever reads it checks that its text hashes to it. */
  async adopt(other: ObjectStore, oid: string): Promise<void> {
    await this.#keep(oid, await readFile(other.path(oid), 'utf8'));
  }

  /** Writes and flushes a record's text; false: it was there already. */
  async #keep(oid: string, text: string): Promise<boolean> {
    const target = this.path(oid);
    if (await exists(target)) return false;
    const temporary = await writeTemporary(this.#root, async (file) => {
      await file.writeFile(text);
    });
    await ensureFolder(dirname(target));
    await rename(temporary, target);
    await syncDirectory(dirname(target));
    return true;
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
