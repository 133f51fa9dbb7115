import { pagePath } from '../http/access.ts';
import type { Exchange } from '../http/exchange.ts';
import type { CommitRecord, Repo } from '../store/repo.ts';
import { diffTrees, type FileDifference } from '../store/tree-diff.ts';
import { encodePath, type Html, html } from './html.ts';
import { formatBytes, formatDate, page, repoHead } from './page.ts';

const PAGE = 50;
const MAX_FILES = 500;

/** A branch's history, 50 commits a page. */
export async function commitsPage(exchange: Exchange, repo: Repo, revision: string): Promise<void> {
  const skip = Math.max(0, Math.trunc(Number(exchange.url.searchParams.get('p') ?? 0)) || 0) * PAGE;
  const rows: Html[] = [];
  let oid: string | undefined = await repo.resolve(revision);
  for (let index = 0; oid !== undefined && rows.length < PAGE; index += 1) {
    const commit: CommitRecord = await repo.commit(oid);
    if (index >= skip) {
      rows.push(html`<tr><td><a href="/${pagePath(repo)}/commit/${oid}">${commit.title || '(no title)'}</a><br><span class="soft">${commit.author} · ${formatDate(commit.date)}</span></td>
<td class="right"><code>${oid.slice(0, 8)}</code> · <a href="/${pagePath(repo)}/tree/${oid}">files</a></td></tr>`);
    }
    oid = commit.parents[0];
  }
  const older = oid !== undefined && html`<p><a href="?p=${skip / PAGE + 1}">Older</a></p>`;
  exchange.html(
    page(
      `${repo.id} · commits`,
      html`${repoHead(repo, revision, 'commits')}<table class="files">${rows}</table>${older}`,
    ),
  );
}

/** One commit: its words, and the files it added, changed and removed. */
export async function commitPage(exchange: Exchange, repo: Repo, oid: string): Promise<void> {
  const commit = await repo.commit(await repo.resolve(oid));
  const [parent] = commit.parents;
  const before = parent === undefined ? null : (await repo.commit(parent)).tree;
  const files: FileDifference[] = [];
  let more = false;
  for await (const file of diffTrees(repo.objects, before, commit.tree)) {
    if (files.length === MAX_FILES) {
      more = true;
      break;
    }
    files.push(file);
  }
  const rows = files.map(({ path, kind, size }) => {
    const href = `/${pagePath(repo)}/blob/${kind === 'removed' ? parent : oid}/${encodePath(path)}`;
    return html`<tr><td><span class="${kind}">${kind}</span> <a href="${href}">${path}</a></td><td class="right">${formatBytes(size)}</td></tr>`;
  });
  exchange.html(
    page(
      `${repo.id} · ${commit.title}`,
      html`${repoHead(repo, 'main', 'commits')}<h2>${commit.title || '(no title)'}</h2>
<p class="soft">${commit.author} · ${formatDate(commit.date)} · <code>${oid}</code>${parent !== undefined && html` · parent <a href="/${pagePath(repo)}/commit/${parent}"><code>${parent.slice(0, 8)}</code></a>`}</p>
${commit.message !== '' && html`<pre>${commit.message}</pre>`}<table class="files">${rows}</table>${more && html`<p class="soft">Only the first ${MAX_FILES} files are listed.</p>`}`,
    ),
  );
}
