import { randomBytes } from 'node:crypto';
import pc from 'picocolors';
import { visibleText } from '../domain/visible-text.ts';

const { env, stdout, stderr } = process;
const asked = ![undefined, '', '0'].includes(env.FORCE_COLOR);
const terminal = stdout.isTTY === true && stderr.isTTY === true && env.TERM !== 'dumb';
/**
 * Stands for the beginning of a color code until the text is written: {@link forTerminal} tells our codes from those that
 * came with somebody else's text.
 */
const MARK = `\ue000${randomBytes(6).toString('hex')}\ue001`;
const ESCAPE = '\u001b[';
/** Any of our codes. */
const CODE = new RegExp(`${MARK}\\d+m`, 'g');

const plain = pc.createColors(!env.NO_COLOR && (asked || terminal));
const marked = Object.entries(plain).map(([name, value]) => [
  name,
  typeof value === 'function'
    ? (text: unknown) => value(visibleText(String(text))).replaceAll(ESCAPE, MARK)
    : value,
]);

/**
 * Colors for a terminal only. The library's own choice also colors whatever it writes where `CI` is set, which puts
 * escape codes into logs and pipes. `NO_COLOR` and `FORCE_COLOR` hold as elsewhere.
 */
export default Object.fromEntries(marked) as typeof plain;

/** What may be written to a terminal: our colors, and of everything else only what is shown. */
export function forTerminal(text: string): string {
  return visibleText(text).replaceAll(MARK, ESCAPE);
}

/** Characters that a text takes on a line. */
export function shownWidth(text: string): number {
  return text.replaceAll(CODE, '').length;
}

/** Writes one line of text to a terminal or wherever the stream leads. */
export function writeLine(out: { write(text: string): unknown }, text: string): void {
  out.write(`${forTerminal(text)}\n`);
}
