import type { CardPlace } from '../cards/markdown.ts';
import type { Hub } from '../hub.ts';
import { Html, html } from './html.ts';

/** A Markdown text as a page shows it: rendered, or as it is where it is too long or too hard to render. */
export async function renderedText(
  hub: Hub,
  { sha256, text, place }: { sha256: string; text: string; place: CardPlace },
): Promise<Html> {
  const rendered = await hub.cards.render(sha256, text, place);
  return rendered === undefined
    ? html`<pre class="card">${text}</pre>`
    : html`<article class="card">${new Html(rendered)}</article>`;
}
