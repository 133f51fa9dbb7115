import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PROJECT } from '../../src/config/paths.ts';

/**
 * A table of the documentation that a test makes from real runs, between the comments `<!-- NAME -->` and `<!-- /NAME -->`.
 * With WRITE_TABLES=1 it is written there; else what is there is returned, to be compared.
 */
export function tableInDocs(file: string, name: string, made: string): string {
  const path = join(PROJECT, 'docs', file);
  const text = readFileSync(path, 'utf8');
  const [start, end] = [`<!-- ${name} -->\n`, `\n<!-- /${name} -->`];
  const [from, to] = [text.indexOf(start), text.indexOf(end)];
  if (from === -1 || to < from) throw new Error(`expected ${start.trim()} and ${end.trim()} in docs/${file}`);
  const written = `${text.slice(0, from + start.length)}${made}${text.slice(to)}`;
  if (process.env.WRITE_TABLES === '1') writeFileSync(path, written);
  return text.slice(from + start.length, to);
}

/** A Markdown table; what would end a cell is escaped. */
export function markdownTable(head: string[], rows: string[][]): string {
  const line = (cells: string[]) =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|').replaceAll('\n', ' ')).join(' | ')} |`;
  return [line(head), `|${head.map(() => '---').join('|')}|`, ...rows.map(line)].join('\n');
}
