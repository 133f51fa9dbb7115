import {
  ARTICLES,
  ASIDES,
  isDeleted,
  isOfCraft,
  JOINTS,
  LEADING,
  LINKS,
  NEVER_FIRST,
  ORDINARY_SURNAMES,
} from './caption-words.ts';

/** Stands for a name that was taken out; counts as a word of style and is never in a text from outside. */
const TAKEN = '\uE000';
const CLAUSE_END = /\s*[.,;:!?()"]+\s*|\s+[-–—]+\s+/;
const SET_PHRASES =
  /\b(?:works? of art|art nouveau|art deco|mixed media|fine art|still image|old masters?)\b/gi;
const IN_THE_STYLE_OF =
  /\b(?:in|after|with|of)\s+(?:(?:a|an|the|his|her|its|their)\s+)?(?:[\w'-]+\s+){0,3}?(?:styles?|manner|techniques?|(?:tradition|school|spirit)\s+of)\b[^.,;:!?()"]*/gi;
const TITLE = /\b(?:titled|entitled|called|named|known as|signed)\b[^.,;:!?()]*/gi;

/**
 * What a text says of a picture's content: words of style, medium, maker and title are taken out, and the sentence is made
 * whole around the gaps. Empty when nothing is left. Taking out again changes nothing.
 */
export function contentOf(text: string, artists: readonly string[]): string {
  const names = namePatterns(artists);
  let content = plain(text);
  for (let before = ''; content !== before; ) {
    before = content;
    const marked = [SET_PHRASES, ...names].reduce((marked, name) => takeOut(marked, name), content);
    const clauses = marked.replace(IN_THE_STYLE_OF, ' ').split(CLAUSE_END).map(cleanClause);
    content = [...new Set(clauses.filter((clause) => clause !== ''))].join(', ');
  }
  return content.split(' ').some((word) => bare(word).length > 2 && !JOINTS.has(bare(word))) ? content : '';
}

/** A text on one line, of letters, digits and marks; titles and what stands in quotation marks are left out. */
function plain(text: string): string {
  return text
    .normalize('NFKC')
    .replaceAll(/[‘’ʼ]/g, "'")
    .replaceAll(/[“”«»„]/g, '"')
    .replaceAll(/"[^"]*"/g, ' ')
    .replaceAll(/[^\p{L}\p{M}\p{N}\s.,;:!?()'&%/–—-]|[\u{10000}-\u{10FFFF}]/gu, ' ')
    .replace(/^\s*(?:caption|description|answer|assistant)\s*:/i, ' ')
    .replace(TITLE, ' ')
    .replaceAll(/\s+/g, ' ')
    .trim();
}

/** A word in lower case, without accents, marks around it and a possessive's ending. */
function bare(word: string): string {
  return fold(word)
    .replace(/'s?$/, '')
    .replaceAll(/^[^\p{L}\p{N}\uE000]+|[^\p{L}\p{N}\uE000]+$/gu, '');
}

/** The same number of characters, in lower case and without accents. */
function fold(text: string): string {
  return Array.from(text, (c) => c.normalize('NFD').charAt(0).toLowerCase().charAt(0)).join('');
}

/** Small words that belong to the surname after them. */
const PARTICLES = 'van|von|de|der|den|da|di|del|la|le|du|ter';

/** Patterns of the artists' names in folded text: in full, and surnames that are no ordinary words. */
function namePatterns(artists: readonly string[]): RegExp[] {
  const names = new Set<string>();
  for (const artist of artists) {
    const parts = fold(artist.normalize('NFKC')).match(/[\p{L}\p{N}]+/gu) ?? [];
    if (parts.length === 0 || parts[0] === 'unknown') continue;
    const surname = parts.at(-1) as string;
    names.add(parts.join('[^\\p{L}\\p{N}]+'));
    if (parts.length > 1 && surname.length > 3 && !ORDINARY_SURNAMES.has(surname))
      names.add(`(?:(?:${PARTICLES})[^\\p{L}\\p{N}]+)*${surname}`);
  }
  const longestFirst = [...names].sort((a, b) => b.length - a.length || (a < b ? -1 : 1));
  return longestFirst.length === 0
    ? []
    : [new RegExp(`(?<![\\p{L}\\p{N}])(?:${longestFirst.join('|')})(?:'s)?(?![\\p{L}\\p{N}])`, 'gu')];
}

/** A text with a mark in the place of whatever a pattern finds in its folded form. */
function takeOut(text: string, pattern: RegExp): string {
  let out = '';
  let at = 0;
  for (const { index, 0: found } of fold(text).matchAll(pattern)) {
    out += `${text.slice(at, index)} ${TAKEN} `;
    at = index + found.length;
  }
  return out + text.slice(at);
}

/** A clause without words of style, and without what only led to them. */
function cleanClause(clause: string): string {
  const words = withoutCraft(clause.split(/\s+/).filter((word) => word !== ''));
  const kept = trimmed(withoutRuns(words));
  const first = kept[0];
  if (first !== undefined && (LEADING.has(bare(first)) || JOINTS.has(bare(first))))
    kept[0] = first.toLowerCase();
  return kept.join(' ');
}

const wordParts = (word: string): string[] => bare(word).split(/[^\p{L}\p{N}]+/u);

/** Cuts a clause before the aside on craft; one that begins with craft goes as a whole. */
function withoutCraft(words: string[]): string[] {
  const at = words.findIndex((word) => wordParts(word).some(isOfCraft));
  if (at < 0) return words;
  const lead = words.findLastIndex((word, place) => place < at && ASIDES.has(bare(word)));
  return lead < 0 ? [] : words.slice(0, lead);
}

const isGone = (word: string): boolean => bare(word) === TAKEN || wordParts(word).some(isDeleted);

/** Deletes words of style, the joints between them, and what led to or on from them where nothing else needs it. */
function withoutRuns(words: readonly string[]): string[] {
  const kept: string[] = [];
  let at = 0;
  while (at < words.length) {
    const word = words[at] as string;
    if (!isGone(word)) {
      if (kept.length === 0 || bare(word) !== bare(kept.at(-1) as string)) kept.push(word);
      at += 1;
      continue;
    }
    at = endOfRun(words, at);
    const next = words[at];
    const named = next !== undefined && !LINKS.has(bare(next)) && !JOINTS.has(bare(next));
    if (named) matchArticle(kept, next);
    else {
      while (kept.length > 0 && LEADING.has(bare(kept.at(-1) as string))) kept.pop();
      if (next === undefined) while (kept.length > 0 && JOINTS.has(bare(kept.at(-1) as string))) kept.pop();
      while (at < words.length && LINKS.has(bare(words[at] as string))) at += 1;
    }
  }
  return kept;
}

/** Where a run of words of style ends, joints between two of them included. */
function endOfRun(words: readonly string[], from: number): number {
  let end = from + 1;
  for (let at = end; at < words.length; at++) {
    const word = words[at] as string;
    if (isGone(word)) end = at + 1;
    else if (!JOINTS.has(bare(word))) break;
  }
  return end;
}

/** "a" or "an" as the word that now follows wants it. */
function matchArticle(kept: string[], next: string): void {
  const last = kept.at(-1);
  if (last !== undefined && ARTICLES.has(bare(last)))
    kept[kept.length - 1] = /^[aeiou]/.test(bare(next)) ? 'an' : 'a';
}

/** Words without those at either end that cannot stand there. */
export function trimmed(words: readonly string[]): string[] {
  let [start, end] = [0, words.length];
  while (start < end && NEVER_FIRST.has(bare(words[start] as string))) start += 1;
  while (
    end > start &&
    (JOINTS.has(bare(words[end - 1] as string)) || LINKS.has(bare(words[end - 1] as string)))
  )
    end -= 1;
  return words.slice(start, end).filter((word) => bare(word) !== '' || word === '&');
}
