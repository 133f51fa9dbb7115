import { describeRuntime } from '../api/spaces.ts';
import { type CardPlace, fileUrl, isShowable } from '../cards/markdown.ts';
import { pagePath } from '../http/access.ts';
import type { Exchange } from '../http/exchange.ts';
import type { Hub } from '../hub.ts';
import type { Repo } from '../store/repo.ts';
import { Html, html } from './html.ts';

import { formatDate, page, repoHead } from './page.ts';
import { renderedText } from './rendered-text.ts';

const NO_CARD = { data: {}, text: '', sha256: '', problem: undefined };

/** A repo's front page: its card, its pictures and the facts beside them. */
export async function repoPage(hub: Hub, exchange: Exchange, repo: Repo): Promise<void> {
  const revision = exchange.url.searchParams.get('revision') ?? 'main';
  const oid = await repo.resolve(revision);
  const commit = await repo.commit(oid);
  const { data, text, sha256, problem } = (await hub.cards.read(repo, commit)) ?? NO_CARD;
  const place = { base: `/${pagePath(repo)}`, revision };
  const card =
    text.trim() === ''
      ? html`<p class="soft">This repo has no card yet.</p>`
      : await renderedText(hub, { sha256, text, place });
  const warning =
    problem !== undefined && html`<p class="soft">The card's metadata are not shown: ${problem}</p>`;
  exchange.html(
    page(
      repo.id,
      html`${repoHead(repo, revision, 'card')}<div class="columns"><div>${repo.type === 'space' && appPanel(hub, repo)}${gallery(data, place)}${warning}${card}</div>
<aside>${factsPanel(data, { date: commit.date, number: commit.number, oid, base: place.base })}${await refsPanel(repo)}</aside></div>`,
    ),
  );
}

/** The pictures that a card's `widget` entries promise, with their prompts. */
function gallery(data: Record<string, unknown>, place: CardPlace): Html {
  const pictures = (Array.isArray(data.widget) ? data.widget : []).flatMap((entry: unknown) => {
    const { text, output } = (entry ?? {}) as { text?: unknown; output?: { url?: unknown } };
    return typeof output?.url === 'string' && isShowable(output.url)
      ? [{ url: fileUrl(output.url, place), text: String(text ?? '') }]
      : [];
  });
  if (pictures.length === 0) return new Html('');
  return html`<div class="gallery">${pictures.map(
    ({ url, text }) =>
      html`<figure><a href="${url}"><img src="${url}" alt="${text}" loading="lazy"></a><figcaption>${text}</figcaption></figure>`,
  )}</div>`;
}

function appPanel(hub: Hub, repo: Repo): Html {
  const { stage } = describeRuntime(hub, repo);
  const url = hub.spaces?.state(repo).url;
  return html`<div class="panel"><h2>App</h2>${String(stage)}${url !== undefined && html` · <a href="${url}" rel="noopener">open it</a>`}</div>`;
}

function factsPanel(
  data: Record<string, unknown>,
  at: { date: string; number: number; oid: string; base: string },
): Html {
  const show = (value: unknown): string => (Array.isArray(value) ? value.join(', ') : String(value));
  const rows = [
    'license',
    'license_name',
    'base_model',
    'library_name',
    'pipeline_tag',
    'instance_prompt',
    'datasets',
    'sdk',
  ]
    .filter((key) => ['string', 'number'].includes(typeof data[key]) || Array.isArray(data[key]))
    .map((key) => html`<dt>${key.replaceAll('_', ' ')}</dt><dd>${show(data[key])}</dd>`);
  const tags = (Array.isArray(data.tags) ? data.tags : []).filter((tag) => typeof tag === 'string');
  return html`<div class="panel"><h2>About</h2><dl>${rows}<dt>commit</dt><dd><a href="${at.base}/commit/${at.oid}">${at.oid.slice(0, 8)}</a></dd>
<dt>updated</dt><dd>${formatDate(at.date)}</dd><dt>commits</dt><dd>${at.number}</dd></dl><p>${tags.map((tag) => html`<span class="tag">${tag}</span>`)}</p></div>`;
}

async function refsPanel(repo: Repo): Promise<Html> {
  const base = `/${pagePath(repo)}/tree`;
  const list = async (kind: 'heads' | 'tags'): Promise<Html[]> =>
    (await repo.refs.list(kind)).map(
      ({ name, target }) =>
        html`<dt><a href="${base}/${encodeURIComponent(name)}">${name}</a></dt><dd><code>${target.slice(0, 8)}</code></dd>`,
    );
  return html`<div class="panel"><h2>Branches and tags</h2><dl>${await list('heads')}${await list('tags')}</dl></div>`;
}
