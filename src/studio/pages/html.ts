import { html, raw } from 'hono/html';
import { visibleText } from '../../domain/visible-text.ts';
import type { Block, Tone } from '../../reports/render/blocks.ts';
import { renderBlock } from '../../reports/render/html.ts';

export { html, raw };

/** A piece of a page; what is put into one is escaped unless it is a piece itself. */
export type Html = ReturnType<typeof html>;

/** Text of others with nothing hidden in it; escaped when it is put into a piece. */
export const shown = visibleText;

/** A block of the reports, as Studio shows it, too. */
export function block(b: Block): Html {
  return raw(renderBlock(b));
}

/** A word with a color of its own. */
export function mark(word: string, tone: Tone): Html {
  return html`<span class="mark tone-${tone}">${shown(word)}</span>`;
}

/** A moment that the browser writes in its own time zone; without a script it is UTC. */
export function time(at: number | Date): Html {
  const iso = new Date(at).toISOString();
  return html`<time datetime="${iso}">${iso.slice(0, 16).replace('T', ' ')} UTC</time>`;
}

/** Pieces one after the other. */
export function all(pieces: readonly Html[]): Html {
  return html`${pieces}`;
}
