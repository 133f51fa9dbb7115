import type { FileMetaData, SchemaElement } from 'hyparquet';
import type { SourceColumns } from '../domain/config/source-columns.ts';
import { PipelineError } from '../domain/errors.ts';

/** Columns that hold captions where nothing else is said, the first that is there. */
const CAPTION_COLUMNS = ['caption', 'text', 'prompt'] as const;
/** Column that sources packed from a folder name the user's own files in. */
export const FILE_COLUMN = 'file_name';

/** The columns of a parquet file that hold what a source is read for; null: there is none. */
export interface FoundColumns {
  image: string;
  style: string | null;
  artist: string | null;
  genre: string | null;
  caption: string | null;
  file: string | null;
}

/** Finds the columns by their names, or says all that is wrong with them. */
export function findColumns(metadata: FileMetaData, wanted: SourceColumns, path: string): FoundColumns {
  const columns = topLevel(metadata.schema);
  const problems: string[] = [];
  const named = (field: keyof SourceColumns, name: string | null, usual: string | null): string | null => {
    if (name === null || columns.has(name)) return name;
    // A name that was asked for must be there; a usual one may be missing.
    if (name !== usual) problems.push(`no column ${name} (dataset.columns.${field})`);
    return null;
  };
  const image = columns.get(wanted.image);
  if (image === undefined) problems.push(`no column ${wanted.image} (dataset.columns.image)`);
  else if (image.kind !== 'picture')
    problems.push(`${image.kind} in column ${wanted.image}: one encoded picture a row is read`);
  else if (holdsPathsOnly(metadata, wanted.image))
    problems.push(
      `only paths in column ${wanted.image}: embed the pictures, such as with push_to_hub(embed_external_files=True)`,
    );
  if (wanted.style !== null && !columns.has(wanted.style))
    problems.push(
      `no column ${wanted.style}: name the one that holds the style, or null for a source of one style (dataset.columns.style)`,
    );
  const found: FoundColumns = {
    image: wanted.image,
    style: wanted.style,
    artist: named('artist', wanted.artist, 'artist'),
    genre: named('genre', wanted.genre, 'genre'),
    caption: wanted.caption === null ? captionColumn(columns) : named('caption', wanted.caption, null),
    file: columns.get(FILE_COLUMN)?.kind === 'text' ? FILE_COLUMN : null,
  };
  if (problems.length > 0)
    throw new PipelineError(
      'BadData',
      `Expected a column of pictures and one of styles in ${path}, got ${problems.join('; ')}. It has ${[...columns.keys()].join(', ')}`,
    );
  return found;
}

interface Column {
  kind: 'picture' | 'text' | 'several pictures' | 'no pictures';
}

function captionColumn(columns: ReadonlyMap<string, Column>): string | null {
  return CAPTION_COLUMNS.find((name) => columns.get(name)?.kind === 'text') ?? null;
}

/** The top level of a schema, which lists its elements depth first. */
function topLevel(schema: readonly SchemaElement[]): Map<string, Column> {
  const columns = new Map<string, Column>();
  let at = 1;
  while (at < schema.length) {
    const element = schema[at] as SchemaElement;
    const end = endOf(schema, at);
    columns.set(element.name, { kind: kindOf(element, schema.slice(at + 1, end)) });
    at = end;
  }
  return columns;
}

function endOf(schema: readonly SchemaElement[], at: number): number {
  let end = at + 1;
  for (let child = 0; child < (schema[at]?.num_children ?? 0); child++) end = endOf(schema, end);
  return end;
}

function kindOf(element: SchemaElement, below: readonly SchemaElement[]): Column['kind'] {
  const repeated = [element, ...below].some(({ repetition_type }) => repetition_type === 'REPEATED');
  if (repeated) return 'several pictures';
  if (below.length > 0) return below.some(({ name }) => name === 'bytes') ? 'picture' : 'no pictures';
  if (element.type !== 'BYTE_ARRAY') return 'no pictures';
  return element.converted_type === 'UTF8' ? 'text' : 'picture';
}

/** Whether every picture's bytes are null, as where only paths were stored. */
function holdsPathsOnly(metadata: FileMetaData, image: string): boolean {
  const chunks = metadata.row_groups.flatMap((group) =>
    group.columns.filter(({ meta_data }) => meta_data?.path_in_schema.join('.') === `${image}.bytes`),
  );
  return (
    chunks.length > 0 &&
    chunks.every(({ meta_data }) => {
      const nulls = meta_data?.statistics?.null_count;
      return nulls !== undefined && nulls > 0n && nulls === meta_data?.num_values;
    })
  );
}
