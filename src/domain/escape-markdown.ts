import { visibleText } from './visible-text.ts';

/** Text from outside (captions, errors, names) made harmless in Markdown: no markup, no HTML, one line. */
export function escapeMarkdown(text: string): string {
  return (
    visibleText(text.replaceAll(/\s+/g, ' '))
      .replaceAll('&', '&amp;')
      .replaceAll('<', '&lt;')
      .replaceAll('>', '&gt;')
      .replaceAll(/([\\`*_{}[\]()#+!|~$])/g, '\\$1')
      .replaceAll(/^(\s*)([-=])/g, '$1\\$2')
      // A list's number, not a figure: before a digit a backslash would show.
      .replaceAll(/^(\s*\d+)\.(?=\s|$)/g, '$1\\.')
      .replaceAll('@', '&#64;')
      .replaceAll(/www\./gi, (www) => `${www.slice(0, 3)}&#46;`)
      .replaceAll(/\b(https?|ftp|mailto|javascript|data):/gi, '$1&#58;')
  );
}

/** Inline code that no backtick inside can end. */
export function code(text: string): string {
  const line = visibleText(text.replaceAll(/\s+/g, ' ')).replaceAll('|', '\\|');
  const longest = Math.max(0, ...[...line.matchAll(/`+/g)].map((m) => m[0].length));
  const fence = '`'.repeat(longest + 1);
  const pad = line.startsWith('`') || line.endsWith('`') ? ' ' : '';
  return `${fence}${pad}${line}${pad}${fence}`;
}

/** Lines as they are, in a block that no fence inside can end. */
export function codeBlock(text: string): string {
  const longest = Math.max(2, ...[...text.matchAll(/`+/g)].map((m) => m[0].length));
  const fence = '`'.repeat(longest + 1);
  const lines = text.split(/\r?\n/).map((line) => visibleText(line));
  return `${fence}text\n${lines.join('\n')}\n${fence}`;
}
