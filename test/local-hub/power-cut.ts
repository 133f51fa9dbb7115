import { copyFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import type { DiskEvent } from './disk-record.ts';

/** A file or folder: what programs see of it, and what is on the platter. */
type Node = FileNode | FolderNode;
interface FileNode {
  kind: 'file';
  /** Where its flushed bytes are; null: none ever were, and a power cut leaves it empty. */
  flushed: string | null;
}
interface FolderNode {
  kind: 'folder';
  seen: Map<string, Node>;
  flushed: Map<string, Node>;
}

/**
 * A disk that forgets all it may: of a file it keeps what was flushed last, of a folder the names that were there when a flush
 * of it began. It is stricter than any file system in use, which keep more.
 */
export class ForgetfulDisk {
  readonly #root: string;
  readonly #tree: FolderNode;
  /** The names of folders at each event so far, for flushes that began earlier. */
  readonly #begun = new Map<number, Map<string, Node>>();
  #count = 0;

  /** Everything in the folder is on the platter. */
  constructor(root: string) {
    this.#root = root;
    this.#tree = load(root);
  }

  #folder(path: string): FolderNode | undefined {
    let at: Node | undefined = this.#tree;
    for (const name of relative(this.#root, path).split('/').filter(Boolean))
      at = at?.kind === 'folder' ? at.seen.get(name) : undefined;
    return at?.kind === 'folder' ? at : undefined;
  }

  #names(path: string): { names: Map<string, Node>; name: string } | undefined {
    const folder = this.#folder(dirname(path));
    return folder && { names: folder.seen, name: path.slice(dirname(path).length + 1) };
  }

  /** Takes a change in; `upcoming` are the folder flushes that begin right after it. */
  apply(event: DiskEvent, upcoming: readonly (DiskEvent & { kind: 'flushFolder' })[]): void {
    this.#change(event);
    this.#count += 1;
    for (const flush of upcoming) if (flush.from === this.#count) this.begin(flush);
  }

  /** Remembers what a folder holds when its flush begins. */
  begin({ path, from }: { path: string; from: number }): void {
    const folder = this.#folder(path);
    if (folder) this.#begun.set(from * 1e6 + hash(path), new Map(folder.seen));
  }

  #change(event: DiskEvent): void {
    if (event.kind === 'answer') return;
    const at = this.#names(event.path);
    switch (event.kind) {
      case 'create':
        at?.names.set(at.name, { kind: 'file', flushed: null });
        return;
      case 'mkdir':
        at?.names.set(at.name, { kind: 'folder', seen: new Map(), flushed: new Map() });
        return;
      case 'remove':
        at?.names.delete(at.name);
        return;
      case 'rename':
      case 'link': {
        const node = at?.names.get(at.name);
        const to = this.#names(event.to);
        if (event.kind === 'rename') at?.names.delete(at.name);
        if (node) to?.names.set(to.name, node);
        return;
      }
      case 'flush': {
        const node = at?.names.get(at.name);
        if (node?.kind === 'file') node.flushed = event.bytes;
        return;
      }
      case 'flushFolder': {
        const folder = this.#folder(event.path);
        if (folder)
          folder.flushed = this.#begun.get(event.from * 1e6 + hash(event.path)) ?? new Map(folder.seen);
      }
    }
  }

  /** Writes what a power cut now would leave. */
  cut(to: string): void {
    store(this.#tree, to);
  }
}

function hash(text: string): number {
  let sum = 0;
  for (const character of text) sum = (sum * 31 + character.charCodeAt(0)) % 999_983;
  return sum;
}

function load(path: string): FolderNode {
  const names = new Map<string, Node>();
  for (const entry of readdirSync(path, { withFileTypes: true }))
    names.set(
      entry.name,
      entry.isDirectory() ? load(join(path, entry.name)) : { kind: 'file', flushed: join(path, entry.name) },
    );
  return { kind: 'folder', seen: names, flushed: new Map(names) };
}

function store(folder: FolderNode, to: string): void {
  mkdirSync(to, { recursive: true });
  for (const [name, node] of folder.flushed) {
    if (node.kind === 'folder') store(node, join(to, name));
    else if (node.flushed === null) writeFileSync(join(to, name), '');
    else copyFileSync(node.flushed, join(to, name));
  }
}

/** The events of a record. */
export function readRecord(record: string): DiskEvent[] {
  return readFileSync(join(record, 'log.jsonl'), 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as DiskEvent);
}
