import { createHash } from 'node:crypto';
import type { ObjectStore } from './objects.ts';

/** A file in a folder. `oid` is git's id of the file (of its pointer, for LFS). */
export interface FileEntry {
  readonly name: string;
  readonly oid: string;
  readonly size: number;
  readonly sha256: string;
  readonly lfs?: true;
}

/** A folder in a folder. */
export interface FolderEntry {
  readonly name: string;
  readonly tree: string;
}

/** What a folder holds under one name. */
export type Entry = FileEntry | FolderEntry;

/** Whether an entry is a folder. */
export function isFolder(entry: Entry): entry is FolderEntry {
  return 'tree' in entry;
}

/** A small folder lists its entries; a large one lists runs of some 128 of them, so that an edit rewrites one run. */
type FolderRecord = { entries: Entry[] } | { runs: { last: string; oid: string }[] };

/** A run ends after a name whose hash falls in 1 of 128: the split depends on the names alone, never on history. */
function endsRun(name: string): boolean {
  return (createHash('sha1').update(name).digest()[0] ?? 0) < 2;
}

function splitRuns(entries: readonly Entry[]): Entry[][] {
  const runs: Entry[][] = [];
  let run: Entry[] = [];
  for (const entry of entries) {
    run.push(entry);
    if (endsRun(entry.name)) {
      runs.push(run);
      run = [];
    }
  }
  if (run.length > 0) runs.push(run);
  return runs;
}

async function readRecord(objects: ObjectStore, oid: string): Promise<FolderRecord> {
  const record = await objects.read<FolderRecord>('tree', oid);
  if (!record) throw new Error(`Expected folder record ${oid}, found none that verifies: run fsck`);
  return record;
}

async function readRun(objects: ObjectStore, oid: string): Promise<Entry[]> {
  const record = await readRecord(objects, oid);
  if (!('entries' in record)) throw new Error(`Expected a run of entries in ${oid}`);
  return record.entries;
}

/** All entries of a folder, sorted by name. */
export async function readFolder(objects: ObjectStore, oid: string): Promise<readonly Entry[]> {
  const record = await readRecord(objects, oid);
  if ('entries' in record) return record.entries;
  const all: Entry[] = [];
  for (const run of record.runs) all.push(...(await readRun(objects, run.oid)));
  return all;
}

/** Ids of the records that a folder is stored in, itself first. */
export async function folderRecords(objects: ObjectStore, oid: string): Promise<string[]> {
  const record = await readRecord(objects, oid);
  return 'entries' in record ? [oid] : [oid, ...record.runs.map((run) => run.oid)];
}

/** The entry of one name; reads one run, however large the folder. */
export async function findEntry(objects: ObjectStore, oid: string, name: string): Promise<Entry | undefined> {
  const record = await readRecord(objects, oid);
  if ('entries' in record) return record.entries.find((entry) => entry.name === name);
  const run = record.runs.find((candidate) => candidate.last >= name);
  return run ? (await readRun(objects, run.oid)).find((entry) => entry.name === name) : undefined;
}

/** Sets (or, with null, removes) names in a folder and returns its new id; null when nothing is left. */
export async function editFolder(
  objects: ObjectStore,
  oid: string | null,
  changes: ReadonlyMap<string, Entry | null>,
): Promise<string | null> {
  if (changes.size === 0) return oid;
  const record: FolderRecord = oid === null ? { entries: [] } : await readRecord(objects, oid);
  const runs =
    'runs' in record
      ? record.runs
      : splitRuns(record.entries).map((entries) => ({ last: entries.at(-1)?.name ?? '', entries }));
  const pending = [...changes].sort(([a], [b]) => (a < b ? -1 : 1));
  const kept: { last: string; oid?: string; entries?: Entry[] }[] = [];
  let carry: Entry[] = [];
  let next = 0;
  for (const [index, run] of runs.entries()) {
    const isLast = index === runs.length - 1;
    const from = next;
    while (next < pending.length && (isLast || (pending[next]?.[0] ?? '') <= run.last)) next += 1;
    if (from === next && carry.length === 0) {
      kept.push(run);
      continue;
    }
    const entries = 'entries' in run ? run.entries : await readRun(objects, run.oid);
    const parts = splitRuns([...carry, ...merge(entries, pending.slice(from, next))]);
    carry = [];
    const tail = parts.at(-1);
    if (tail && !isLast && !endsRun(tail.at(-1)?.name ?? '')) {
      carry = tail;
      parts.pop();
    }
    kept.push(...parts.map((part) => ({ last: part.at(-1)?.name ?? '', entries: part })));
  }
  const added = merge(carry, pending.slice(next));
  if (added.length > 0) {
    kept.push(...splitRuns(added).map((part) => ({ last: part.at(-1)?.name ?? '', entries: part })));
  }
  return writeRuns(objects, kept);
}

async function writeRuns(
  objects: ObjectStore,
  runs: { last: string; oid?: string; entries?: Entry[] }[],
): Promise<string | null> {
  const [first] = runs;
  if (!first) return null;
  if (runs.length === 1) {
    return objects.write('tree', { entries: first.entries ?? (await readRun(objects, first.oid ?? '')) });
  }
  const written: { last: string; oid: string }[] = [];
  for (const run of runs) {
    written.push({ last: run.last, oid: run.oid ?? (await objects.write('tree', { entries: run.entries })) });
  }
  return objects.write('tree', { runs: written });
}

function merge(entries: readonly Entry[], changes: readonly [string, Entry | null][]): Entry[] {
  const byName = new Map<string, Entry>(entries.map((entry) => [entry.name, entry]));
  for (const [name, entry] of changes) {
    if (entry === null) byName.delete(name);
    else byName.set(name, entry);
  }
  return [...byName.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
}
