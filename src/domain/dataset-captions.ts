import type { Candidate } from './dataset-measures.ts';

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

/** A genre label in words with its article; labels that are unknown or say nothing become "a painting". */
export function genreWords(genre: string): string {
  const known = GENRE_WORDS[genre];
  if (known !== undefined) return known;
  const words = genre.replaceAll('_', ' ').trim().toLowerCase();
  if (words === '' || words.startsWith('unknown')) return 'a painting';
  const noun = /\b(painting|illustration|sketch|drawing|study|print)\b/.test(words)
    ? words
    : `${words} painting`;
  return `${/^[aeiou]/.test(noun) ? 'an' : 'a'} ${noun}`;
}

/** Genres whose pictures must not be mirrored: faces and writing have a side. */
const SIDED_GENRES = new Set(['portrait', 'nude_painting', 'religious_painting', 'illustration']);

/** Letters on one line from which on a picture counts as written upon. */
const WRITTEN = 4;

/** Whether a picture may be mirrored in training: no face, no writing and no signature, all of which have a side. */
export function mayBeMirrored({ genre, measures }: Pick<Candidate, 'genre' | 'measures'>): boolean {
  return !SIDED_GENRES.has(genre) && !measures.signature && measures.letters < WRITTEN;
}
