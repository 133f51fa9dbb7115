import type { SourceColumns } from '../domain/config/source-columns.ts';
import type { CommitRef, Sha256 } from '../domain/refs.ts';
import { sha256Of } from '../hub/hashing.ts';
import type { Hub, HubEntry } from '../hub/hub.ts';
import { type ClassLabels, labelsFromCard } from './class-labels.ts';
import { openHubFile } from './hub-file.ts';
import { type GroupLabels, openShard, readLabels } from './shard.ts';

/** A WikiArt-like dataset on the Hub at one commit. */
export interface Source {
  at: CommitRef;
  /** Its parquet files, by path. */
  files: HubEntry[];
  /** The dataset card; empty when there is none. */
  card: string;
  /** Class names from the card, for files whose own metadata has none. */
  cardLabels: ClassLabels | null;
}

/** Lists a source's parquet files and reads its card. */
export async function openSource(hub: Hub, at: CommitRef): Promise<Source> {
  const [entries, card] = await Promise.all([
    hub.list(at, at.commit),
    hub.read(at, at.commit, 'README.md').then((bytes) => bytes?.toString('utf8') ?? ''),
  ]);
  const files = entries
    .filter(({ path }) => /\.parquet$/i.test(path))
    .sort((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0));
  return { at, files, card, cardLabels: labelsFromCard(card) };
}

/**
 * sha256 of what decides the pictures and labels read of a source: its parquet files and its card. Unlike the commit it is the
 * same on every Hub and whenever it was uploaded. Null where the Hub does not list the files' sha256.
 */
export async function sourceContent(hub: Hub, at: CommitRef): Promise<Sha256 | null> {
  const { files, card } = await openSource(hub, at);
  if (files.some(({ sha256 }) => sha256 === null)) return null;
  return sha256Of(JSON.stringify([card, ...files.map(({ path, sha256 }) => [path, sha256])]));
}

/** What the label pass found in one file. */
export interface FileLabels {
  groups: GroupLabels[];
  bytesRead: number;
  /** Bytes that opening the file again takes. */
  footerBytes: number;
}

/** Reads the labels of one file of a source: its footer and some small columns. */
export async function passLabels(
  hub: Hub,
  source: Source,
  entry: HubEntry,
  watch: { signal?: AbortSignal | undefined; onRange?: () => void; columns?: SourceColumns } = {},
): Promise<FileLabels> {
  const { path, bytes } = entry;
  const { columns, ...reading } = watch;
  const file = await openHubFile({ hub, at: source.at, path, bytes, ...reading });
  const shard = await openShard(file);
  const footerBytes = file.bytesRead();
  const groups = await readLabels(shard, source.cardLabels, columns);
  return { groups, bytesRead: file.bytesRead(), footerBytes };
}
