import { foldLabel } from '../../domain/dataset/labels.ts';
import { STYLE_NAMES } from '../synthetic/labels.ts';

/** What folders and file names say of a picture. */
export interface PlaceLabels {
  /** Folder that may name a style; null: it lies in no such folder. */
  style: string | null;
  artist: string;
  /** Words that call the style up, from a folder named `10_words`. */
  trigger: string | null;
  /** A split of the folder's own, such as `validation`. */
  split: string | null;
}

const SPLIT = /^(train|training|test|testing|valid|val|validation|dev|eval)$/i;
/** Folders that say what is in them, not what it is. */
const PLAIN = /^(images?|imgs?|pictures?|pics|photos?|data|dataset|img|paintings|scans)$/i;
const REPEATED = /^\d{1,5}_(.+)$/;
const KNOWN_STYLES = new Set(STYLE_NAMES.map(foldLabel));
/** WikiArt's own file names: painter, underscore, title. */
const WIKIART_NAME = /^([a-z][a-z0-9.'-]*)_[^/]+$/i;

/** Reads a path below the source's folder as the usual layouts do: splits, `10_trigger`, style folders, artists in them. */
export function labelsOfPlace(path: string): PlaceLabels {
  const parts = path.split('/');
  const name = parts.pop() as string;
  const split = parts.find((part) => SPLIT.test(part)) ?? null;
  const trigger = parts.map((part) => REPEATED.exec(part)?.[1]).find((words) => words !== undefined);
  const named = parts.filter((part) => !SPLIT.test(part) && !PLAIN.test(part) && !REPEATED.test(part));
  const style = named[0] ?? null;
  const isKnown = style !== null && KNOWN_STYLES.has(foldLabel(style));
  const stem = name.replace(/\.[^.]*$/, '');
  const artist = isKnown ? (named[1] ?? WIKIART_NAME.exec(stem)?.[1] ?? '') : '';
  return { style, artist, trigger: trigger?.replaceAll('_', ' ').trim() ?? null, split };
}
