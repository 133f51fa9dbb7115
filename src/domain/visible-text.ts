/**
 * Characters that change how text is shown instead of being shown: control characters but for line break and tab (C0, DEL,
 * C1), line separators and those that turn the direction of writing (Unicode TR9 and TR36).
 */
const HIDDEN =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g;

/** Text of others made harmless for a terminal, a log and a page: what would act on the reader's screen is spelled out, as `\u001b`. */
export function visibleText(text: string): string {
  return text
    .replaceAll('\r\n', '\n')
    .replaceAll(HIDDEN, (hidden) => `\\u${hidden.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** Whether text holds nothing but what is shown, on one line. */
export function isPlainLine(text: string): boolean {
  return !/[\n\t]/.test(text) && visibleText(text) === text;
}
