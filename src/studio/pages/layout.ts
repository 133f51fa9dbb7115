import { may, type Right, type Role } from '../access/roles.ts';
import { type Html, html, shown } from './html.ts';

/** A part of a page that is sent again when it changes; its id is the element's. */
export type Fragments = Record<string, Html>;

/** Pages that every page leads to, and what they need. */
const PLACES: readonly { href: string; name: string; right: Right }[] = [
  { href: '/', name: 'Runs', right: 'look' },
  { href: '/start', name: 'Start', right: 'steer' },
  { href: '/models', name: 'Models', right: 'look' },
];

/** A whole page; `live` is where its fragments come from again. */
export function page(p: {
  title: string;
  role: Role | null;
  /** Path of the place that the page belongs to. */
  at: string;
  live?: string;
  /** Seconds after which a browser without scripts asks again. */
  retry?: number;
  body: Html;
}): Html {
  const places = PLACES.filter(({ right }) => p.role !== null && may(p.role, right));
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
${p.retry === undefined ? '' : html`<meta http-equiv="refresh" content="${p.retry}">`}
<title>${shown(p.title)} · Plein Air Studio</title>
<link rel="stylesheet" href="/studio.css">
<link rel="icon" href="/icon.svg" type="image/svg+xml">
<link rel="manifest" href="/manifest.webmanifest">
<script src="/studio.js" defer></script>
</head>
<body>
<a class="skip" href="#main">Skip to the content</a>
<header class="bar">
<a class="brand" href="/">Plein Air <i>Studio</i></a>
<nav aria-label="Places">${places.map(
    ({ href, name }) => html`<a href="${href}"${href === p.at ? html` aria-current="page"` : ''}>${name}</a>`,
  )}</nav>
</header>
<p id="connection" class="banner tone-unsure" role="status" hidden></p>
<main id="main"${p.live === undefined ? '' : html` data-live="${p.live}"`}>
${p.body}
</main>
</body>
</html>`;
}

/** The place of a fragment in a page. */
export function place(id: string, fragments: Fragments): Html {
  return html`<div id="${id}">${fragments[id] ?? ''}</div>`;
}

/** Sentences about what does not answer; empty where all does. */
export function missingBanner(missing: readonly string[]): Html {
  if (missing.length === 0) return html``;
  return html`<div class="banner tone-unsure" role="status">${missing.map(
    (sentence) => html`<p>${shown(sentence)}. Studio keeps asking; what is shown was known before.</p>`,
  )}</div>`;
}

/** A page that says what went wrong and what to do. */
export function problemPage(p: { role: Role | null; title: string; message: string; retry?: number }): Html {
  const lines = shown(p.message).split('\n');
  return page({
    ...{ title: p.title, role: p.role, at: '' },
    ...(p.retry === undefined ? {} : { retry: p.retry }),
    body: html`<h1>${p.title}</h1>${lines.map((line) => html`<p class="lead">${line}</p>`)}
<p><a href="/">All runs</a></p>`,
  });
}
