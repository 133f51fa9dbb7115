import type { CommitRef, FileRef } from '../../domain/refs.ts';
import type { RunRecords } from '../records/run-records.ts';
import type { Inline } from '../render/blocks.ts';

/** A file that the Markdown report points to, relative to `report/`. */
export interface ReportFile {
  path: string;
  content: Buffer;
}

/** What sections are built from, and where they leave files for the Markdown report. */
export interface ReportBuild {
  records: RunRecords;
  files: ReportFile[];
  /** Address of a stored file's bytes. */
  url: (ref: Omit<FileRef, 'sha256'>) => string;
  /** A link to a stored file, shown as `repo · path`. */
  file: (ref: FileRef) => Inline[];
  /** A repository at a commit. */
  commit: (ref: Pick<CommitRef, 'type' | 'repo' | 'commit'>) => Inline[];
}
