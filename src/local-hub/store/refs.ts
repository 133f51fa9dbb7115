import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { replaceFile, syncDirectory } from './durable.ts';
import { isWellFormed } from './repo-path.ts';

/** The kinds of names that point at a commit: branches, tags and pull requests by their number. */
export const REF_KINDS = ['heads', 'tags', 'pr'] as const;
export type RefKind = (typeof REF_KINDS)[number];

/** A branch or tag and the commit it points at. */
export interface Ref {
  readonly name: string;
  readonly target: string;
}

/** The branches and tags of one repo: a file of 40 characters each, replaced whole. */
export class RefStore {
  readonly #root: string;
  readonly #folder: string;

  constructor(root: string, repoFolder: string) {
    this.#root = root;
    this.#folder = join(repoFolder, 'refs');
  }

  #path(kind: RefKind, name: string): string {
    return join(this.#folder, kind, encodeURIComponent(name).replaceAll('.', '%2E'));
  }

  /** The commit a name points at, or undefined. */
  async read(kind: RefKind, name: string): Promise<string | undefined> {
    if (name === '' || !isWellFormed(name)) return undefined;
    try {
      return (await readFile(this.#path(kind, name), 'utf8')).trim();
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'ENOENT' || code === 'ENAMETOOLONG') return undefined;
      throw error;
    }
  }

  /** Points a name at a commit; the moment of the rename is the moment of the commit. */
  async write(kind: RefKind, name: string, target: string): Promise<void> {
    await replaceFile(this.#root, this.#path(kind, name), target);
  }

  /** Forgets a name. */
  async remove(kind: RefKind, name: string): Promise<void> {
    await rm(this.#path(kind, name), { force: true });
    await syncDirectory(join(this.#folder, kind));
  }

  /** All names of a kind, sorted. */
  async list(kind: RefKind): Promise<Ref[]> {
    const files = await readdir(join(this.#folder, kind)).catch(() => []);
    const refs: Ref[] = [];
    for (const file of files) {
      const name = decodeURIComponent(file);
      const target = await this.read(kind, name);
      if (target !== undefined) refs.push({ name, target });
    }
    return refs.sort((a, b) => (a.name < b.name ? -1 : 1));
  }
}
