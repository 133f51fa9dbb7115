import type { DatasetConfig } from '../config/run-config.ts';
import { foldLabel } from './labels.ts';
import { byRank } from './order.ts';

/** Labels of one row group of the source, as names. */
export interface LabeledGroup {
  /** Path of the parquet file, and its position among the source's files. */
  file: string;
  fileIndex: number;
  group: number;
  /** Number of the group's first row in its file. */
  firstRow: number;
  /** Bytes that reading the group's pictures takes. */
  imageBytes: number;
  styles: string[];
  genres: string[];
  artists: string[];
  /** The user's own files; absent: the source does not name them. */
  files?: string[] | undefined;
  /** Of the source that neighbors alone are taken from (`dataset.reference`). */
  isReference?: boolean;
}

/** Rows of one row group to read: positions in the group. */
export interface GroupPlan {
  file: string;
  fileIndex: number;
  group: number;
  firstRow: number;
  wanted: number[];
  /** Possible pictures of the neighboring styles. */
  neighbors: number[];
}

/** What of the source is read, and what is left out by its labels alone. */
export interface ReadPlan {
  groups: GroupPlan[];
  rows: number;
  otherStyle: number;
  /** `file:row` and genre of each. */
  otherGenre: { source: string; genre: string }[];
  /** `file:row` and artist of each that is of a wanted genre. */
  otherArtist: { source: string; artist: string }[];
  /** `file:row` of wanted rows in groups that `maxImages` makes unnecessary. */
  overLimit: string[];
}

/** Neighbor candidates read for each picture wanted, because some of them will be broken. */
const SPARE_NEIGHBORS = 1.5;
/** Wanted rows read for each picture that `maxImages` allows, because some of them will be dropped. */
const SPARE_WANTED = 1.6;
/** Bytes that neighbors may add to what the wanted rows cost, and what those of a reference of their own may cost. */
const NEIGHBOR_BYTES = 0.1;
const REFERENCE_BYTES = 256 * 1024 * 1024;

/**
 * Chooses the row groups to read from the labels: all that hold a wanted row (or enough of them, by hash, for
 * `maxImages`), and neighbors from those same groups first, so that they cost few bytes more.
 */
export function planReads(groups: readonly LabeledGroup[], config: DatasetConfig, seed: number): ReadPlan {
  const wantedGenres = new Set(config.genres.map(foldLabel));
  const wantedArtists = new Set(config.artists.map(foldLabel));
  const style = foldLabel(config.style);
  const isOneStyle = config.columns.style === null;
  const plan: ReadPlan = {
    groups: [],
    rows: 0,
    otherStyle: 0,
    otherGenre: [],
    otherArtist: [],
    overLimit: [],
  };
  const wanted = new Map<LabeledGroup, number[]>();
  for (const group of groups) {
    if (group.isReference) continue;
    const rows: number[] = [];
    plan.rows += group.styles.length;
    group.styles.forEach((label, row) => {
      const genre = group.genres[row] ?? '';
      if (!isOneStyle && foldLabel(label) !== style) plan.otherStyle += 1;
      else if (wantedGenres.size > 0 && !wantedGenres.has(foldLabel(genre)))
        plan.otherGenre.push({ source: sourceOf(group, row), genre });
      else if (wantedArtists.size > 0 && !wantedArtists.has(foldLabel(group.artists[row] ?? '')))
        plan.otherArtist.push({ source: sourceOf(group, row), artist: group.artists[row] ?? '' });
      else rows.push(row);
    });
    if (rows.length > 0) wanted.set(group, rows);
  }

  const read = new Set(enoughGroups(wanted, config.maxImages, seed));
  for (const [group, rows] of wanted)
    if (!read.has(group)) plan.overLimit.push(...rows.map((row) => sourceOf(group, row)));
  const neighbors = chooseNeighbors(groups, read, config, seed);

  plan.groups = groups
    .filter((group) => read.has(group) || neighbors.has(group))
    .map((group) => ({
      file: group.file,
      fileIndex: group.fileIndex,
      group: group.group,
      firstRow: group.firstRow,
      wanted: read.has(group) ? (wanted.get(group) ?? []) : [],
      neighbors: (neighbors.get(group) ?? []).sort((a, b) => a - b),
    }));
  return plan;
}

/** What a row is called in records: the user's own file, or `file:row`. */
export function sourceOf(
  group: { file: string; firstRow: number; files?: string[] | undefined },
  row: number,
): string {
  return group.files?.[row] ?? `${group.file}:${group.firstRow + row}`;
}

function enoughGroups(
  wanted: ReadonlyMap<LabeledGroup, number[]>,
  maxImages: number | null,
  seed: number,
): LabeledGroup[] {
  if (maxImages === null) return [...wanted.keys()];
  const ordered = [...wanted.keys()].sort(byRank(seed, 'row-group', (g) => `${g.file}#${g.group}`));
  const enough: LabeledGroup[] = [];
  let rows = 0;
  for (const group of ordered) {
    if (rows >= maxImages * SPARE_WANTED) break;
    enough.push(group);
    rows += wanted.get(group)?.length ?? 0;
  }
  return enough;
}

function chooseNeighbors(
  groups: readonly LabeledGroup[],
  read: ReadonlySet<LabeledGroup>,
  config: DatasetConfig,
  seed: number,
): Map<LabeledGroup, number[]> {
  const chosen = new Map<LabeledGroup, number[]>();
  if (config.neighborsPerStyle === 0) return chosen;
  const perStyle = Math.ceil(config.neighborsPerStyle * SPARE_NEIGHBORS);
  const candidates = groups.filter((group) => (group.isReference ?? false) === (config.reference !== null));
  const budget =
    config.reference !== null
      ? REFERENCE_BYTES
      : NEIGHBOR_BYTES * [...read].reduce((sum, group) => sum + group.imageBytes, 0);
  let spent = 0;
  const byStyle = new Map<string, { group: LabeledGroup; row: number }[]>();
  for (const group of candidates)
    group.styles.forEach((style, row) => {
      // A row without a style is of no other one, and may be of the wanted one.
      if (foldLabel(style) === '' || foldLabel(style) === foldLabel(config.style)) return;
      const rows = byStyle.get(style);
      if (rows === undefined) byStyle.set(style, [{ group, row }]);
      else rows.push({ group, row });
    });
  for (const style of [...byStyle.keys()].sort()) {
    const rows = (byStyle.get(style) ?? []).sort(
      byRank(seed, 'neighbor', ({ group, row }) => sourceOf(group, row)),
    );
    const free = rows.filter(({ group }) => read.has(group));
    const costly = rows.filter(({ group }) => !read.has(group));
    let count = 0;
    for (const { group, row } of [...free, ...costly]) {
      if (count >= perStyle) break;
      if (!read.has(group) && !chosen.has(group)) {
        if (spent + group.imageBytes > budget) continue;
        spent += group.imageBytes;
      }
      const rowsOfGroup = chosen.get(group);
      if (rowsOfGroup === undefined) chosen.set(group, [row]);
      else rowsOfGroup.push(row);
      count += 1;
    }
  }
  return chosen;
}
