import { pagePath } from '../http/access.ts';
import type { Exchange } from '../http/exchange.ts';
import type { Hub } from '../hub.ts';
import type { CommitRecord, Repo, RepoType } from '../store/repo.ts';
import { type Html, html } from './html.ts';
import { formatDate, page } from './page.ts';

const LABELS: Readonly<Record<RepoType, string>> = { model: 'Models', dataset: 'Datasets', space: 'Spaces' };

/** The front page, or the page of one type or one owner: every repo the asker may see, newest first. */
export async function repoList(
  hub: Hub,
  exchange: Exchange,
  only: { types: readonly RepoType[]; owner?: string },
): Promise<void> {
  const sections: Html[] = [];
  for (const type of only.types) {
    const visible = (await hub.repos.list(type)).filter(
      (repo) =>
        (!repo.record.private || exchange.identity) &&
        (only.owner === undefined || repo.id.startsWith(`${only.owner}/`)),
    );
    const tiles = await Promise.all(visible.map((repo) => tile(hub, repo)));
    tiles.sort((a, b) => b.date.localeCompare(a.date));
    sections.push(html`<h2>${LABELS[type]} <span class="soft">${tiles.length}</span></h2>
<div class="grid">${tiles.map(({ body }) => body)}</div>${tiles.length === 0 && html`<p class="soft">None yet.</p>`}`);
  }
  exchange.html(
    page('Plein Air Hub', html`${only.owner && html`<h1 class="title">${only.owner}</h1>`}${sections}`),
  );
}

async function tile(hub: Hub, repo: Repo): Promise<{ date: string; body: Html }> {
  const head = await repo.refs.read('heads', 'main');
  const commit = head === undefined ? undefined : await repo.objects.read<CommitRecord>('commit', head);
  const card = commit && (await hub.cards.data(repo, commit).catch(() => undefined));
  const data = card?.data ?? {};
  const tags = (Array.isArray(data.tags) ? data.tags : [])
    .filter((tag) => typeof tag === 'string')
    .slice(0, 5);
  const date = commit?.date ?? repo.record.createdAt;
  return {
    date,
    body: html`<div class="panel"><h2><a href="/${pagePath(repo)}">${repo.id}</a></h2>
<div class="soft">${formatDate(date)} · ${commit?.number ?? 0} commits${repo.record.private && ' · private'}</div>
<div>${tags.map((tag) => html`<span class="tag">${tag}</span>`)}</div></div>`,
  };
}
