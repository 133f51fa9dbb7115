import { visibleText } from '../../domain/visible-text.ts';
import type { Block, Inline, PairedSamples, Picture, ReportDocument, Rich, Section } from './blocks.ts';
import { STYLE } from './html-style.ts';

/** Text made safe for HTML, in elements and in quoted attributes. */
export function escapeHtml(text: string): string {
  return visibleText(text)
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll("'", '&#39;');
}

/** One page that needs nothing but itself: no script, no network, pictures inside. */
export function toHtml(doc: ReportDocument): string {
  const nav = doc.sections.map((s) => `<li><a href="#${s.id}">${escapeHtml(s.title)}</a></li>`).join('');
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>${escapeHtml(doc.title)} · ${escapeHtml(doc.subtitle)}</title>
<style>${STYLE}</style>
</head>
<body>
<header class="top">
<p class="kicker">${escapeHtml(doc.subtitle)}</p>
<h1>${escapeHtml(doc.title)}</h1>
<p class="outcome tone-${doc.outcome.tone}"><strong>${escapeHtml(doc.outcome.word)}</strong> <span>${escapeHtml(doc.outcome.sentence)}</span></p>
${facts(doc.facts)}
<nav aria-label="Sections"><ol>${nav}</ol></nav>
</header>
<main>
${doc.sections.map(section).join('\n')}
</main>
<footer>${rich(doc.footer)}</footer>
</body>
</html>
`;
}

function section(s: Section): string {
  const source = s.source === null ? '' : `<p class="source">Source: ${rich(s.source)}</p>`;
  return `<section id="${s.id}" aria-labelledby="${s.id}-title">
<h2 id="${s.id}-title">${escapeHtml(s.title)}</h2>
${s.blocks.map(renderBlock).join('\n')}
${source}
</section>`;
}

/** A block as HTML. */
export function renderBlock(b: Block): string {
  switch (b.kind) {
    case 'paragraph':
      return `<p${b.lead === true ? ' class="lead"' : ''}>${rich(b.text)}</p>`;
    case 'list':
      return `<ul>${b.items.map((item) => `<li>${rich(item)}</li>`).join('')}</ul>`;
    case 'facts':
      return facts(b.items);
    case 'table':
      return table(b);
    case 'plot':
      return `<figure class="plot"><div role="img" aria-label="${escapeHtml(b.alt)}">${fluid(b.svg)}</div><figcaption>${rich(b.caption)}</figcaption></figure>`;
    case 'picture':
      return `<figure class="sheet">${img(b.picture)}<figcaption>${rich(b.caption)}</figcaption></figure>`;
    case 'samples':
      return `<div class="samples${b.samples.every((s) => s.pairs.length === 1) ? ' pairs' : ''}">${b.samples.map(samples).join('')}<p class="caption">${rich(b.caption)}</p></div>`;
    case 'strips':
      return `<div class="steps">${b.pictures
        .map((p) => `<figure><figcaption>${escapeHtml(p.caption)}</figcaption>${img(p.picture)}</figure>`)
        .join('')}</div><p class="caption">${rich(b.caption)}</p>`;
    case 'gallery':
      return `<div class="gallery">${b.pictures
        .map((p) => `<figure>${img(p.picture)}<figcaption>${rich(p.caption)}</figcaption></figure>`)
        .join('')}</div><p class="caption">${rich(b.caption)}</p>`;
  }
}

function table(b: Extract<Block, { kind: 'table' }>): string {
  const right = new Set(b.right ?? []);
  const cell = (value: string, i: number) => `<td${right.has(i) ? ' class="number"' : ''}>${value}</td>`;
  const head = b.head
    .map((h, i) => `<th scope="col"${right.has(i) ? ' class="number"' : ''}>${escapeHtml(h)}</th>`)
    .join('');
  const rows = b.rows.map((row) => `<tr>${row.map((value, i) => cell(rich(value), i)).join('')}</tr>`);
  const caption = b.caption === undefined ? '' : `<caption>${rich(b.caption)}</caption>`;
  return `<section class="scroll" tabindex="0" aria-label="${escapeHtml(b.head.join(', '))}"><table>${caption}<thead><tr>${head}</tr></thead><tbody>${rows.join('')}</tbody></table></section>`;
}

function facts(items: [string, Rich][]): string {
  if (items.length === 0) return '';
  return `<dl class="facts">${items.map(([term, value]) => `<div><dt>${escapeHtml(term)}</dt><dd>${rich(value)}</dd></div>`).join('')}</dl>`;
}

/** A row a painter with a column a seed; with one seed the painters themselves stand side by side. */
function samples(s: PairedSamples): string {
  const seen = (p: Picture | null) => (p === null ? '<span class="missing">no picture</span>' : img(p));
  const rows: [string, (Picture | null)[]][] = [['base', s.pairs.map((p) => p.base)]];
  if (s.pairs.some((p) => p.production !== undefined))
    rows.push(['in production', s.pairs.map((p) => p.production ?? null)]);
  rows.push(['with the style', s.pairs.map((p) => p.candidate)]);
  const painted =
    s.pairs.length === 1
      ? `<div class="beside">${rows.map(([who, [picture = null]]) => `<div>${seen(picture)}<span class="who">${who}</span></div>`).join('')}</div>`
      : rows
          .map(
            ([who, of]) => `<div class="strip"><span class="who">${who}</span>${of.map(seen).join('')}</div>`,
          )
          .join('');
  return `<figure><figcaption>${escapeHtml(s.prompt)}</figcaption>${painted}</figure>`;
}

function img(p: Picture): string {
  const picture = rawImg(p);
  return p.href === null
    ? picture
    : `<a class="pic" href="${escapeHtml(p.href)}" rel="noreferrer">${picture}</a>`;
}

function rawImg(p: Picture): string {
  return `<img src="data:${p.mime};base64,${p.bytes.toString('base64')}" alt="${escapeHtml(p.alt)}" width="${p.width}" height="${p.height}" decoding="async">`;
}

/** A plot that shrinks with the page and takes its text color from it. */
function fluid(svg: string): string {
  return svg
    .replace(/ xmlns:xlink="[^"]*"/, '')
    .replace(/<svg([^>]*) width="(\d+)" height="(\d+)"/, '<svg$1 style="max-width:$2px" width="100%"')
    .replace('<svg', '<svg aria-hidden="true"');
}

/** Inline content as HTML. */
export function rich(value: Rich): string {
  return (Array.isArray(value) ? value : [value]).map(inline).join('');
}

function inline(part: Inline): string {
  if (typeof part === 'string') return escapeHtml(part);
  if ('code' in part) return `<code>${escapeHtml(part.code)}</code>`;
  if ('strong' in part) return `<strong>${escapeHtml(part.strong)}</strong>`;
  if ('mark' in part) return `<span class="mark tone-${part.tone}">${escapeHtml(part.mark)}</span>`;
  return /^(https?:|\.\.?\/|[\w-]+\/)/.test(part.href)
    ? `<a href="${escapeHtml(part.href)}" rel="noreferrer">${escapeHtml(part.link)}</a>`
    : escapeHtml(part.link);
}
