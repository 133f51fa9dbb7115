/** Most front matter that is parsed: a parser's work may grow faster than its text. */
const LIMIT = { characters: 64 * 1024, lines: 2000 };

/** A card in two: the YAML between its first lines, as text, and what people read. */
export interface SplitCard {
  /** Undefined where the card has no front matter. */
  readonly yaml: string | undefined;
  readonly text: string;
}

/**
 * Splits a card by the rule of the Hub's clients, `^(\s*---[\r\n]+)([\S\s]*?)([\r\n]+---(\r\n|\n|$))`, in one pass. Leading
 * white space and a byte order mark do not count.
 */
export function splitCard(card: string): SplitCard {
  const none = { yaml: undefined, text: card };
  const start = card.search(/\S/);
  if (start < 0 || !card.startsWith('---', start) || !isBreak(card[start + 3])) return none;
  const from = skipBreaks(card, start + 3);
  for (let at = nextBreak(card, from); at >= 0; ) {
    const fence = skipBreaks(card, at);
    const text = textAfter(card, fence);
    if (text !== undefined) return { yaml: card.slice(from, at), text };
    at = nextBreak(card, fence);
  }
  // Two line breaks and the end at once: nothing between.
  const text = from - start > 4 ? textAfter(card, from) : undefined;
  return text === undefined ? none : { yaml: '', text };
}

/** What follows the line `---` that starts here; undefined: none does. */
function textAfter(card: string, at: number): string | undefined {
  if (!card.startsWith('---', at)) return undefined;
  if (card.startsWith('\r\n', at + 3)) return card.slice(at + 5);
  return at + 3 === card.length || card[at + 3] === '\n' ? card.slice(at + 4) : undefined;
}

function skipBreaks(text: string, from: number): number {
  let at = from;
  while (isBreak(text[at])) at += 1;
  return at;
}

const isBreak = (character: string | undefined): boolean => character === '\n' || character === '\r';

function nextBreak(text: string, from: number): number {
  for (let at = from; at < text.length; at += 1) if (isBreak(text[at])) return at;
  return -1;
}

/** What speaks against parsing front matter at all; undefined: nothing. */
export function tooLarge(yaml: string): string | undefined {
  if (yaml.length > LIMIT.characters)
    return `Expected card metadata of at most ${LIMIT.characters} characters, got ${yaml.length}`;
  let lines = 1;
  for (let at = yaml.indexOf('\n'); at >= 0; at = yaml.indexOf('\n', at + 1)) lines += 1;
  return lines > LIMIT.lines
    ? `Expected card metadata of at most ${LIMIT.lines} lines, got ${lines}`
    : undefined;
}
