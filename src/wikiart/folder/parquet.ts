import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { asyncBufferFromFile } from 'hyparquet';
import { SourceColumns } from '../../domain/config/source-columns.ts';
import { foldLabel } from '../../domain/dataset/labels.ts';
import { type GroupLabels, openShard, readLabels, readPictures, type Shard } from '../shard.ts';
import { type ChosenStyle, chooseStyle, type IntakeOptions } from './choose-style.ts';

/** What parquet files hold, as a source. */
export interface ParquetIntake {
  /** Rows of the style wanted, those of them with a caption, and rows of other styles or of none. */
  wanted: number;
  captioned: number;
  others: number;
  unlabeled: number;
  style: ChosenStyle;
  columns: SourceColumns;
  problems: string[];
}

/** Looks through parquet files: their columns, labels and captions, and whether there are pictures in them. */
export async function takeInParquet(
  folder: string,
  names: readonly string[],
  options: IntakeOptions,
  onFile: (done: number) => void,
): Promise<ParquetIntake> {
  const problems: string[] = [];
  const groups: GroupLabels[] = [];
  let columns: SourceColumns | null = null;
  for (const [at, name] of names.entries()) {
    try {
      const shard = await open(folder, name);
      columns ??= columnsOf(shard);
      const own = await readLabels(shard, null, columns);
      groups.push(...own);
      if (at === 0 && own[0] !== undefined && !(await hasPictures(shard, own[0], columns.image)))
        problems.push(`${name}: expected encoded pictures in column ${columns.image}, got none`);
    } catch (error) {
      problems.push(error instanceof Error ? error.message : String(error));
    }
    onFile(at + 1);
  }
  const labels = groups.flatMap(({ styles }) => styles);
  const captions = groups.flatMap((group) => group.captions ?? new Array<string>(group.rows).fill(''));
  if (problems.length === 0 && labels.length === 0)
    problems.push(`expected rows in the parquet files below ${folder}, got none`);
  const isLabeled = (columns ?? SourceColumns.parse({})).style !== null;
  const style = chooseStyle(
    labels,
    { ...options, from: 'the column style', isGiven: isLabeled, trigger: null },
    problems,
  );
  const isWanted = (label: string) => !isLabeled || foldLabel(label) === foldLabel(style.name);
  return {
    wanted: labels.filter(isWanted).length,
    captioned: captions.filter((caption, at) => caption !== '' && isWanted(labels[at] ?? '')).length,
    others: labels.filter((label) => !isWanted(label) && foldLabel(label) !== '').length,
    unlabeled: isLabeled ? labels.filter((label) => foldLabel(label) === '').length : 0,
    style,
    columns: columns ?? SourceColumns.parse({}),
    problems,
  };
}

async function open(folder: string, name: string): Promise<Shard> {
  const buffer = await asyncBufferFromFile(join(folder, name));
  return openShard({ ...buffer, path: name, bytesRead: () => 0 });
}

/** The usual columns; a file without styles is of one style. */
function columnsOf({ metadata }: Shard): SourceColumns {
  const hasStyle = metadata.schema.some(({ name }, at) => at > 0 && name === 'style');
  return SourceColumns.parse(hasStyle ? {} : { style: null });
}

/** Whether some of the first rows hold a picture. */
async function hasPictures(shard: Shard, group: GroupLabels, image: string): Promise<boolean> {
  const scratch = await mkdtemp(join(tmpdir(), 'plein-air-look-'));
  try {
    const pictures = await readPictures(
      shard,
      { firstRow: group.firstRow, rows: group.rows },
      scratch,
      image,
    );
    try {
      for (let row = 0; row < group.rows; row++) if (((await pictures.at(row))?.length ?? 0) > 0) return true;
      return group.rows === 0;
    } finally {
      await pictures.close();
    }
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}
