import { contentOf, trimmed } from './caption-content.ts';
import { foldLabel, isSidedGenre } from './labels.ts';
import type { Candidate } from './measures.ts';

/** What a WikiArt genre label is called in a caption; the tiny base is trained on the same words. */
const GENRE_WORDS: Record<string, string> = {
  abstract_painting: 'an abstract painting',
  cityscape: 'a cityscape painting',
  genre_painting: 'a genre painting',
  illustration: 'an illustration',
  landscape: 'a landscape painting',
  nude_painting: 'a nude painting',
  portrait: 'a portrait painting',
  religious_painting: 'a religious painting',
  sketch_and_study: 'a sketch',
  still_life: 'a still life painting',
};

/** Caption of a picture from its genre label, the trigger phrase at the end: "a landscape painting, plnr impressionism". */
export function captionFor(genre: string, trigger: string): string {
  return `${genreWords(genre)}, ${trigger}`;
}

/** Words of a caption at the most that CLIP surely reads to their end; a longer one has the trigger in front. */
const SURELY_READ = 45;

/**
 * A caption in the user's own words: `[trigger]` replaced, and where they do not name the trigger phrase it is added, at the
 * end of a short caption and in front of a long one, whose end an encoder may not see.
 */
export function ownCaption(text: string, trigger: string): string {
  const words = text
    .replaceAll(/\[trigger\]/gi, trigger)
    .trim()
    .replace(/[,;\s]+$/, '');
  if (words.toLowerCase().includes(trigger.toLowerCase()))
    return words.includes(trigger) ? words : words.replace(new RegExp(escaped(trigger), 'i'), () => trigger);
  return words.split(/\s+/).length <= SURELY_READ ? `${words}, ${trigger}` : `${trigger}, ${words}`;
}

function escaped(text: string): string {
  return text.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&');
}

/** A caption from what a model said of a picture, and what became of its words. */
export interface DescribedCaption {
  caption: string;
  /** The model's own words are in it; else nothing of them was left, and the caption is that of the genre. */
  described: boolean;
  /** Words of style, medium, maker or title were taken out. */
  cleaned: boolean;
  /** The end was cut off, so that the text encoders see all of it. */
  cut: boolean;
}

/**
 * Caption from a model's description, the trigger phrase at the end: its words on content alone, as many as `fits` allows,
 * to the end of a clause where that costs less than half of them.
 */
export function describedCaption(p: {
  text: string;
  genre: string;
  trigger: string;
  artists: readonly string[];
  fits: (caption: string) => boolean;
}): DescribedCaption {
  const content = contentOf(p.text, p.artists);
  const cleaned = lettersOf(content) !== lettersOf(p.text);
  const withTrigger = (words: readonly string[]) => `${words.join(' ')}, ${p.trigger}`;
  const words = content === '' ? [] : content.split(' ');
  const kept = p.fits(withTrigger(words)) ? words : shortened(words, (some) => p.fits(withTrigger(some)));
  return kept.length === 0
    ? { caption: captionFor(p.genre, p.trigger), described: false, cleaned, cut: false }
    : { caption: withTrigger(kept), described: true, cleaned, cut: kept.length < words.length };
}

function lettersOf(text: string): string {
  return text.toLowerCase().replaceAll(/[^\p{L}\p{N}]+/gu, '');
}

/** The longest beginning that fits, ended at a clause where more than half of it stays, else at a word. */
function shortened(words: readonly string[], fits: (words: readonly string[]) => boolean): string[] {
  let [low, high] = [0, words.length - 1];
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (fits(words.slice(0, middle))) low = middle;
    else high = middle - 1;
  }
  const fitting = words.slice(0, low);
  const clause = fitting.findLastIndex((word) => word.endsWith(',')) + 1;
  const kept = trimmed(clause * 2 > low ? fitting.slice(0, clause) : fitting);
  return kept.map((word, at) => (at === kept.length - 1 ? word.replace(/,$/, '') : word));
}

/** Longest genre label that captions take over, in characters. */
const MAX_LABEL = 60;

/** A genre label in words with its article; labels that are unknown or say nothing become "a painting". */
export function genreWords(genre: string): string {
  const known = GENRE_WORDS[foldLabel(genre)];
  if (known !== undefined) return known;
  // A label is the source's: only words of it go into captions and cards.
  const words = genre
    .replaceAll(/[^\p{L}\p{N}'’-]+/gu, ' ')
    .trim()
    .slice(0, MAX_LABEL)
    .toLowerCase();
  if (words === '' || words.startsWith('unknown')) return 'a painting';
  const noun = /\b(painting|illustration|sketch|drawing|study|print)\b/.test(words)
    ? words
    : `${words} painting`;
  return `${/^[aeiou]/.test(noun) ? 'an' : 'a'} ${noun}`;
}

/** Letters on one line from which on a picture counts as written upon. */
const WRITTEN = 4;

/** Whether a picture may be mirrored in training: no face, no writing and no signature, all of which have a side. */
export function mayBeMirrored({ genre, measures }: Pick<Candidate, 'genre' | 'measures'>): boolean {
  return !isSidedGenre(genre) && !measures.signature && measures.letters < WRITTEN;
}
