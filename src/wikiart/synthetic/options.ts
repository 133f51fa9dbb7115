import type { Defect } from './plan.ts';

/** Options of the generated WikiArt; the same options give the same bytes for one version of sharp. */
export interface GeneratedWikiArtOptions {
  /** Defaults to 1874, the year of the first impressionist exhibition. */
  readonly seed?: number;
  /** Rows, defects included; defaults to 600. */
  readonly images?: number;
  /** Parquet files; defaults to 4. */
  readonly shards?: number;
  /** Rows of a row group, the unit of a ranged read; defaults to 25. */
  readonly rowsPerGroup?: number;
  /** Kinds of fault to plant; defaults to the usual ones. */
  readonly defects?: readonly Defect[];
}

/** The options with every default filled in. */
export type CompleteOptions = Required<Omit<GeneratedWikiArtOptions, 'defects'>> &
  Pick<GeneratedWikiArtOptions, 'defects'>;

/** The one place where the defaults are. */
export function completeOptions(options: GeneratedWikiArtOptions): CompleteOptions {
  return { seed: 1874, images: 600, shards: 4, rowsPerGroup: 25, ...options };
}
