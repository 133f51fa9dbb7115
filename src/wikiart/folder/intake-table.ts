import type { SidecarCaptions } from './captions.ts';
import type { ListedPicture } from './label-pictures.ts';
import type { ScannedFile } from './scan.ts';

/** A line of the table of what is taken of a folder and what is not. */
export interface IntakeLine {
  what: string;
  /** Whether the files go into the dataset, as pictures or as words about them. */
  taken: boolean;
  /** Paths below the folder, in order. */
  files: string[];
}

/** Which line a file belongs to. */
export function lineOf(
  { path, kind }: ScannedFile,
  facts: {
    listed: ReadonlyMap<string, ListedPicture>;
    style: string;
    sidecars: Pick<SidecarCaptions, 'used' | 'blank'>;
  },
): Pick<IntakeLine, 'what' | 'taken'> {
  const taken = (what: string) => ({ what, taken: true });
  const left = (what: string) => ({ what, taken: false });
  switch (kind) {
    case 'picture': {
      const picture = facts.listed.get(path);
      if (picture === undefined || picture.style === '')
        return left('pictures without a style in the metadata');
      if (picture.style !== facts.style) return taken('pictures of other styles, to compare with');
      return taken(picture.caption === null ? 'pictures without a caption' : 'pictures with a caption');
    }
    case 'metadata':
      return taken('metadata');
    case 'parquet':
      return taken('parquet files');
    case 'text':
      if (facts.sidecars.blank.has(path)) return left('caption files that are empty');
      return facts.sidecars.used.has(path)
        ? taken('caption files')
        : left('text files without a picture of that name');
    case 'hidden':
      return left('hidden and system files');
    case 'unreadable-format':
      return left('pictures in a format that is not read: convert them to JPEG or PNG');
    case 'not-a-picture':
      return left('no pictures, whatever they are called');
    case 'empty':
      return left('empty files');
    case 'too-large':
      return left('pictures of more than 256 MB: save them smaller');
    case 'archive':
      return left('archives: unpack them first');
    case 'metadata-json':
      return left('metadata.json is not read: write one object a line into metadata.jsonl');
    case 'broken-link':
      return left('links that lead nowhere or back to themselves');
    case 'other':
      return left('other files');
  }
}
