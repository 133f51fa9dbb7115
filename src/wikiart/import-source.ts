import { createHash } from 'node:crypto';
import { mkdtemp, realpath, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { SourceColumns } from '../domain/config/source-columns.ts';
import { PipelineError } from '../domain/errors.ts';
import { type CommitSha, RepoId, type RepoRef, type Sha256 } from '../domain/refs.ts';
import { sha256OfFile } from '../hub/hashing.ts';
import type { Hub } from '../hub/hub.ts';
import { OWN_PICTURES } from './dataset-card.ts';
import type { ChosenStyle } from './folder/choose-style.ts';
import { takeIn } from './folder/intake.ts';
import type { IntakeLine } from './folder/intake-table.ts';
import type { ListedPicture } from './folder/label-pictures.ts';
import { changedWhileRead, hashPictures, packPictures } from './folder/pack.ts';
import { takeInParquet } from './folder/parquet.ts';
import { scanFolder } from './folder/scan.ts';

/** A local folder as it would be taken: what, how, and what speaks against it. Nothing is uploaded for it. */
export interface FolderSource {
  folder: string;
  /** Every file in exactly one of them. */
  lines: IntakeLine[];
  notes: string[];
  /** Contradictions; a folder with any is refused by {@link uploadFolder}. */
  problems: string[];
  /** Pictures of the style wanted, and how many of them have a caption of their own. */
  wanted: number;
  captioned: number;
  /** Whether there are pictures of other styles. */
  hasOthers: boolean;
  style: ChosenStyle;
  /** From a folder named `10_words`; null: none. */
  trigger: string | null;
  columns: SourceColumns;
  content: { pictures: ListedPicture[] } | { parquet: string[] };
}

/** A local source that is on the Hub now. */
export interface ImportedSource {
  repo: RepoId;
  pictures: number;
  /** Whether the Hub held it already. */
  cached: boolean;
}

/** Looks through a folder of pictures, or of parquet files. */
export async function lookAtFolder(
  folder: string,
  options: { style?: string | null; onFile?: (done: number, total: number) => void } = {},
): Promise<FolderSource> {
  const found = await stat(folder).catch(() => null);
  if (found === null || !found.isDirectory())
    throw new PipelineError('InvalidInput', `--from: expected a folder, got ${folder}`);
  const style = options.style ?? null;
  const asked = { style, name: basename(await realpath(folder)) || 'pictures' };
  const scan = await scanFolder(folder);
  const parquet = scan.files.filter(({ kind }) => kind === 'parquet').map(({ path }) => path);
  const intake = await takeIn(folder, scan, asked);
  const base = { folder, lines: intake.lines, notes: intake.notes };
  if (parquet.length > 0 && !scan.files.some(({ kind }) => kind === 'picture')) {
    const rows = await takeInParquet(folder, parquet, asked, (done) =>
      options.onFile?.(done, parquet.length),
    );
    const { wanted, captioned, columns, unlabeled } = rows;
    return {
      ...base,
      notes: unlabeled === 0 ? base.notes : [...base.notes, `${unlabeled} rows without a style are left out`],
      problems: [...scan.problems, ...rows.problems],
      ...{ wanted, captioned, columns, style: rows.style, trigger: null, hasOthers: rows.others > 0 },
      content: { parquet },
    };
  }
  const wanted = intake.pictures.filter((picture) => picture.style === intake.style.name);
  return {
    ...base,
    problems: intake.problems,
    wanted: wanted.length,
    captioned: wanted.filter(({ caption }) => caption !== null).length,
    hasOthers: wanted.length < intake.pictures.length,
    style: intake.style,
    trigger: intake.trigger,
    columns: SourceColumns.parse({}),
    content: { pictures: intake.pictures },
  };
}

/** Refuses a folder that contradicts itself, with everything that speaks against it. */
export function refuseContradictions({ folder, problems }: FolderSource): void {
  if (problems.length === 0) return;
  const shown = problems.slice(0, 20).join('\n');
  const more = problems.length > 20 ? `\nand ${problems.length - 20} more` : '';
  throw new PipelineError('InvalidInput', `${folder} cannot be used as it is:\n${shown}${more}`);
}

/**
 * Puts a folder into a private dataset repository named after its content, so that any worker can read it and the same folder
 * is uploaded once: parquet files as they are, pictures packed into such files. A folder that changes meanwhile is refused.
 */
export async function uploadFolder(p: {
  hub: Hub;
  source: FolderSource;
  namespace: string;
  onProgress?: (done: number, total: number) => void;
}): Promise<ImportedSource> {
  const { source } = p;
  refuseContradictions(source);
  const scratch = await mkdtemp(join(tmpdir(), 'plein-air-import-'));
  try {
    return 'parquet' in source.content
      ? await uploadParquet(p, source.content.parquet)
      : await uploadPictures(p, source.content.pictures, scratch);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

type Upload = Parameters<typeof uploadFolder>[0];

async function uploadParquet(p: Upload, names: readonly string[]): Promise<ImportedSource> {
  const digest = createHash('sha256');
  const content: Record<string, Sha256> = {};
  for (const [at, name] of names.entries()) {
    const sha256 = await sha256OfFile(join(p.source.folder, name));
    digest.update(`${name}\0${sha256}\n`);
    content[`data/${name}`] = sha256;
    p.onProgress?.(at + 1, names.length);
  }
  const files = names.map((name) => ({
    path: `data/${name}`,
    content: { file: join(p.source.folder, name) },
  }));
  return upload(p, { digest: digest.digest('hex'), files: async () => files, content });
}

async function uploadPictures(
  p: Upload,
  listed: readonly ListedPicture[],
  scratch: string,
): Promise<ImportedSource> {
  const { folder } = p.source;
  const { pictures, digest } = await hashPictures(folder, listed, (done) =>
    p.onProgress?.(done, listed.length),
  );
  return upload(p, { digest, files: () => packPictures(folder, pictures, scratch) });
}

/** Card of an imported folder; it names neither the folder nor a license, for it knows of none. */
const CARD = `---
pretty_name: Pictures of one's own
tags:
- plein-air
- ${OWN_PICTURES}
---

# Pictures of one's own

Imported from a folder by Plein Air, in one commit. Whoever imported them answers for the rights in them.
`;

async function upload(
  p: Upload,
  source: {
    digest: string;
    files(): Promise<{ path: string; content: { file: string } }[]>;
    /** sha256 that files must have on the Hub: they are uploaded from where somebody may write. */
    content?: Record<string, Sha256>;
  },
): Promise<ImportedSource> {
  const repo: RepoRef = {
    type: 'dataset',
    repo: RepoId.parse(`${p.namespace}/source-${source.digest.slice(0, 12)}`),
  };
  const head = await p.hub.resolve(repo);
  const changed = async (commit: CommitSha): Promise<string | undefined> => {
    const listed = new Map((await p.hub.list(repo, commit, 'data')).map((entry) => [entry.path, entry]));
    return Object.entries(source.content ?? {}).find(
      ([path, sha256]) => listed.get(path)?.sha256 !== sha256,
    )?.[0];
  };
  const known =
    head !== null && (await p.hub.list(repo, head, 'data')).length > 0 && (await changed(head)) === undefined;
  if (!known) {
    const files = await source.files();
    await p.hub.ensureRepo(repo, { private: true });
    const commit = await p.hub.commit({
      repo,
      message: `Import ${p.source.wanted} pictures`,
      files: [...files, { path: 'README.md', content: CARD }],
    });
    const other = await changed(commit);
    if (other !== undefined) {
      await p.hub.deleteRepo(repo);
      throw changedWhileRead(other.slice('data/'.length));
    }
  }
  return { repo: repo.repo, pictures: p.source.wanted, cached: known };
}
