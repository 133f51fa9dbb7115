/** A text file's content, or why it cannot be read as text. */
export type DecodedText = { ok: true; text: string } | { ok: false; problem: string };

/** Most bytes of a text file that are looked at: metadata of a hundred thousand pictures has a tenth of it. */
export const MAX_TEXT_BYTES = 256 * 1024 * 1024;

/**
 * Text in UTF-8 or, with its byte order mark, UTF-16; the mark is taken off. Other encodings are refused with the line at
 * which they show, because a guess would put wrong letters into captions and names.
 */
export function decodeText(bytes: Uint8Array): DecodedText {
  const [a, b, c] = bytes;
  if (a === 0xff && b === 0xfe) return decoded(bytes, 'utf-16le');
  if (a === 0xfe && b === 0xff) return decoded(bytes, 'utf-16be');
  if (a === 0xef && b === 0xbb && c === 0xbf) return decoded(bytes, 'utf-8');
  const zeros = bytes.subarray(0, 64).filter((byte) => byte === 0).length;
  if (zeros > 0)
    return {
      ok: false,
      problem:
        'expected text in UTF-8, got zero bytes (UTF-16 without a byte order mark, or no text at all): save it as UTF-8',
    };
  return decoded(bytes, 'utf-8');
}

function decoded(bytes: Uint8Array, encoding: 'utf-8' | 'utf-16le' | 'utf-16be'): DecodedText {
  try {
    return { ok: true, text: new TextDecoder(encoding, { fatal: true }).decode(bytes) };
  } catch {
    const name = encoding === 'utf-8' ? 'UTF-8' : 'UTF-16';
    const line = encoding === 'utf-8' ? `, got other bytes in line ${wrongLine(bytes)}` : '';
    return { ok: false, problem: `expected text in ${name}${line}: save the file as UTF-8` };
  }
}

/** Number of the first line that is not UTF-8. */
function wrongLine(bytes: Uint8Array): number {
  let line = 1;
  let start = 0;
  for (let at = 0; at <= bytes.length; at++) {
    if (at < bytes.length && bytes[at] !== 0x0a) continue;
    try {
      new TextDecoder('utf-8', { fatal: true }).decode(bytes.subarray(start, at));
    } catch {
      return line;
    }
    start = at + 1;
    line += 1;
  }
  return line - 1;
}
