import type { Block, Inline, PairedSamples, Picture, ReportDocument, Rich, Section } from './blocks.ts';
import { code, escapeMarkdown, markdownTable } from './markdown.ts';

/** The same report as Markdown; pictures are files beside it. */
export function toMarkdown(doc: ReportDocument): string {
  return `${[
    `# ${escapeMarkdown(doc.title)}`,
    `*${escapeMarkdown(doc.subtitle)}*`,
    `**${escapeMarkdown(doc.outcome.word)}**: ${escapeMarkdown(doc.outcome.sentence)}`,
    facts(doc.facts),
    ...doc.sections.map(section),
    '---',
    markdownRich(doc.footer),
  ].join('\n\n')}\n`;
}

function section(s: Section): string {
  const source = s.source === null ? [] : [`<sub>Source: ${markdownRich(s.source)}</sub>`];
  return [`## ${escapeMarkdown(s.title)}`, ...s.blocks.map(block), ...source].join('\n\n');
}

function block(b: Block): string {
  switch (b.kind) {
    case 'paragraph':
      return markdownRich(b.text);
    case 'list':
      return b.items.map((item) => `- ${markdownRich(item)}`).join('\n');
    case 'facts':
      return facts(b.items);
    case 'table': {
      const rows = b.rows.map((row) => row.map(markdownRich));
      const table = markdownTable(b.head.map(escapeMarkdown), rows, b.right);
      return b.caption === undefined ? table : `${table}\n\n${markdownRich(b.caption)}`;
    }
    case 'plot':
      return `![${escapeMarkdown(b.alt)}](${b.file})\n\n${markdownRich(b.caption)}`;
    case 'picture':
      return `![${escapeMarkdown(b.picture.alt)}](${b.picture.file})\n\n${markdownRich(b.caption)}`;
    case 'samples': {
      if (b.grid === null) return `${sampleTable(b.samples)}\n\n${markdownRich(b.caption)}`;
      const grid = [`![${escapeMarkdown('Base and candidate, side by side')}](${b.grid})`];
      const prompts = b.samples.map((s, i) => `${i + 1}. *${escapeMarkdown(s.prompt)}*`).join('\n');
      return [...grid, prompts, markdownRich(b.caption)].join('\n\n');
    }
    case 'strips':
    case 'gallery':
      return [
        ...b.pictures.map(
          (p) => `![${escapeMarkdown(p.picture.alt)}](${p.picture.file})  \n${markdownRich(p.caption)}`,
        ),
        markdownRich(b.caption),
      ].join('\n\n');
  }
}

/** A prompt a row, its pictures side by side at the first seed. */
function sampleTable(samples: PairedSamples[]): string {
  const produced = samples.some((s) => s.pairs[0]?.production !== undefined);
  const cell = (picture: Picture | null | undefined) =>
    picture == null ? '' : `![${escapeMarkdown(picture.alt)}](${picture.file})`;
  const head = ['prompt', 'base', ...(produced ? ['in production'] : []), 'with the style'];
  return markdownTable(
    head,
    samples.map(({ prompt, pairs: [first] }) => [
      escapeMarkdown(prompt),
      cell(first?.base),
      ...(produced ? [cell(first?.production)] : []),
      cell(first?.candidate),
    ]),
  );
}

function facts(items: [string, Rich][]): string {
  return items.map(([term, value]) => `- **${escapeMarkdown(term)}**: ${markdownRich(value)}`).join('\n');
}

/** Inline content as Markdown. */
export function markdownRich(value: Rich): string {
  return (Array.isArray(value) ? value : [value]).map(inline).join('');
}

function inline(part: Inline): string {
  if (typeof part === 'string') return escapeMarkdown(part);
  if ('code' in part) return code(part.code);
  if ('strong' in part) return `**${escapeMarkdown(part.strong)}**`;
  if ('mark' in part) return `**${escapeMarkdown(part.mark)}**`;
  return /^(https?:|\.\.?\/|[\w-]+\/)/.test(part.href)
    ? `[${escapeMarkdown(part.link)}](${part.href.replaceAll(/[()<>\s]/g, encodeURIComponent)})`
    : escapeMarkdown(part.link);
}
