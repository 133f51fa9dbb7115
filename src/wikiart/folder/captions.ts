import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { decodeText, MAX_TEXT_BYTES } from './text-file.ts';

/** Captions from text files beside pictures, and which text files they are from. */
export interface SidecarCaptions {
  /** By picture. */
  of: Map<string, { text: string; file: string }>;
  used: Set<string>;
  /** Text files beside a picture that hold nothing. */
  blank: Set<string>;
  problems: string[];
}

/** Longest caption, in characters: text encoders read less than a tenth of it. */
export const MAX_CAPTION = 8000;

/** Reads `0.txt` or `0.caption` (also `0.jpg.txt`) beside `0.jpg`; two that differ are a problem. */
export async function readSidecars(
  folder: string,
  texts: readonly string[],
  pictures: readonly string[],
): Promise<SidecarCaptions> {
  const found: SidecarCaptions = { of: new Map(), used: new Set(), blank: new Set(), problems: [] };
  const byStem = new Map<string, string[]>();
  for (const text of texts) {
    const stem = withoutEnding(text);
    byStem.set(stem, [...(byStem.get(stem) ?? []), text]);
  }
  for (const picture of pictures) {
    const files = [
      ...new Set([...(byStem.get(withoutEnding(picture)) ?? []), ...(byStem.get(picture) ?? [])]),
    ];
    const captions: { text: string; file: string }[] = [];
    for (const file of files) {
      const text = await captionIn(folder, file, found.problems);
      found.used.add(file);
      if (text === '') found.blank.add(file);
      else if (text !== null) captions.push({ text, file });
    }
    const [first, ...others] = captions;
    if (first === undefined) continue;
    found.of.set(picture, first);
    const other = others.find(({ text }) => text !== first.text);
    if (other !== undefined)
      found.problems.push(
        `${picture}: expected one caption, got different ones in ${first.file} and ${other.file}`,
      );
  }
  return found;
}

async function captionIn(folder: string, file: string, problems: string[]): Promise<string | null> {
  const bytes = await readFile(join(folder, file)).catch((error: NodeJS.ErrnoException) =>
    String(error.code),
  );
  if (typeof bytes === 'string' || bytes.length > MAX_TEXT_BYTES) {
    problems.push(
      `${file}: expected a caption, got ${typeof bytes === 'string' ? bytes : `${bytes.length} bytes`}`,
    );
    return null;
  }
  const decoded = decodeText(bytes);
  if (decoded.ok) {
    const checked = checkCaption(decoded.text);
    if (checked.ok) return checked.caption;
    problems.push(`${file}: ${checked.problem}`);
  } else problems.push(`${file}: ${decoded.problem}`);
  return null;
}

/** A caption on one line; line breaks and other marks that cannot be seen become spaces. */
export function checkCaption(text: string): { ok: true; caption: string } | { ok: false; problem: string } {
  const caption = text.replaceAll(/[\p{Cc}\p{Zs}\u2028\u2029]+/gu, ' ').trim();
  if (caption.length <= MAX_CAPTION) return { ok: true, caption };
  return {
    ok: false,
    problem: `expected a caption of at most ${MAX_CAPTION} characters, got ${caption.length}`,
  };
}

function withoutEnding(path: string): string {
  return path.replace(/\.[^./]*$/, '');
}
