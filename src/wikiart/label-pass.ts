import type { CommitRef } from '../domain/refs.ts';
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
    .filter(({ path }) => path.endsWith('.parquet'))
    .sort((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0));
  return { at, files, card, cardLabels: labelsFromCard(card) };
}

/** What the label pass found in one file. */
export interface FileLabels {
  groups: GroupLabels[];
  bytesRead: number;
  /** Bytes that opening the file again takes. */
  footerBytes: number;
}

/** Reads the labels of one file of a source: its footer and three small columns. */
export async function passLabels(
  hub: Hub,
  source: Source,
  entry: HubEntry,
  watch: { signal?: AbortSignal | undefined; onRange?: () => void } = {},
): Promise<FileLabels> {
  const { path, bytes } = entry;
  const file = await openHubFile({ hub, at: source.at, path, bytes, ...watch });
  const shard = await openShard(file);
  const footerBytes = file.bytesRead();
  const groups = await readLabels(shard, source.cardLabels);
  return { groups, bytesRead: file.bytesRead(), footerBytes };
}
