import type { DatasetConfig } from '../../domain/config/run-config.ts';
import type { GiveWay } from '../../domain/dataset/likeness.ts';
import type { Candidate } from '../../domain/dataset/measures.ts';
import type { Split } from '../../domain/dataset/record.ts';
import type { CommitRef, Sha256 } from '../../domain/refs.ts';
import type { Captions } from './captions/read.ts';
import type { GroupResult, PrepareStore, Slice } from './local-store.ts';
import type { StoredPlan } from './work-repo.ts';

/** All that the dataset's files are made from. */
export interface AssembleInput {
  key: Sha256;
  settings: Record<string, unknown>;
  config: DatasetConfig;
  seed: number;
  source: CommitRef;
  /** Where other styles are from; null: the source itself. */
  reference: CommitRef | null;
  /** The source's own card. */
  sourceCard: string;
  plan: Pick<StoredPlan, 'rows' | 'ownFiles' | 'otherStyle' | 'otherGenre' | 'otherArtist' | 'overLimit'>;
  /** Results of every row group of the plan. */
  groups: GroupResult[];
  bytesRead: number;
  captions: Captions;
  store: PrepareStore;
  /** Folder for the files; emptied first. */
  out: string;
  onGroup(): void;
  /** Called again and again while pictures are compared: a turn for heartbeats. */
  giveWay?: GiveWay;
}

/** A picture of the dataset: its split, its cluster and where its bytes are. */
export interface Placed {
  candidate: Candidate;
  split: Split;
  cluster: number;
  /** Absent for neighbors: from the genre. */
  caption?: string;
  pack: string;
  png: Slice;
}
