import { pagePath, requireContent } from '../http/access.ts';
import { contentType } from '../http/content-type.ts';
import { entryNotFound } from '../http/errors.ts';
import type { Exchange } from '../http/exchange.ts';
import type { Hub } from '../hub.ts';
import { type FileEntry, isFolder, readFolder } from '../store/directories.ts';
import { isDeleted, type Repo } from '../store/repo.ts';
import { splitFolderPath, splitRepoPath } from '../store/repo-path.ts';
import { locate } from '../store/tree.ts';
import { encodePath, Html, html } from './html.ts';
import { formatBytes, page, repoHead } from './page.ts';
import { renderedText } from './rendered-text.ts';

const MAX_ROWS = 1000;
const MAX_PICTURES = 60;
const MAX_TEXT = 256 * 1024;

const isPicture = (name: string): boolean => contentType(name).startsWith('image/');

function crumbs(repo: Repo, revision: string, names: readonly string[]): Html {
  const base = `/${pagePath(repo)}/tree/${encodeURIComponent(revision)}`;
  const parts = names.map(
    (name, index) =>
      html` / <a href="${base}/${encodePath(names.slice(0, index + 1).join('/'))}">${name}</a>`,
  );
  return html`<p><a href="${base}">${revision}</a>${parts}</p>`;
}

/** A folder: its files with sizes, and its pictures. */
export async function treePage(
  exchange: Exchange,
  repo: Repo,
  revision: string,
  path: string,
): Promise<void> {
  const { tree } = await repo.commit(await repo.resolve(revision));
  const names = splitFolderPath(path);
  const found = names.length === 0 ? undefined : await locate(repo.objects, tree, names);
  if (names.length > 0 && (!found || !isFolder(found))) throw entryNotFound(path, revision);
  const folder = found && isFolder(found) ? found.tree : tree;
  const entries = folder === null ? [] : await readFolder(repo.objects, folder);
  const sorted = [...entries].sort((a, b) => Number(isFolder(b)) - Number(isFolder(a)));
  const link = (kind: string, name: string): string =>
    `/${pagePath(repo)}/${kind}/${encodeURIComponent(revision)}/${encodePath([...names, name].join('/'))}`;
  const rows = sorted
    .slice(0, MAX_ROWS)
    .map((entry) =>
      isFolder(entry)
        ? html`<tr><td>📁 <a href="${link('tree', entry.name)}">${entry.name}</a></td><td class="right"></td><td class="right"></td></tr>`
        : html`<tr><td><a href="${link('blob', entry.name)}">${entry.name}</a></td><td class="right">${formatBytes(entry.size)}</td><td class="right"><a href="${link('resolve', entry.name)}">download</a></td></tr>`,
    );
  const pictures = sorted.filter((entry) => !isFolder(entry) && isPicture(entry.name)).slice(0, MAX_PICTURES);
  const figures = pictures.map(
    ({ name }) =>
      html`<figure><a href="${link('blob', name)}"><img src="${link('resolve', name)}" alt="${name}" loading="lazy"></a><figcaption>${name}</figcaption></figure>`,
  );
  exchange.html(
    page(
      `${repo.id} · files`,
      html`${repoHead(repo, revision, 'files')}${crumbs(repo, revision, names)}<table class="files">${rows}</table>
${entries.length > MAX_ROWS && html`<p class="soft">The first ${MAX_ROWS} of ${entries.length} entries.</p>`}<div class="gallery">${figures}</div>`,
    ),
  );
}

/** A file: a picture as a picture, text as text, everything else as facts and a download. */
export async function blobPage(
  hub: Hub,
  exchange: Exchange,
  repo: Repo,
  revision: string,
  path: string,
): Promise<void> {
  requireContent(repo, exchange);
  const { tree } = await repo.commit(await repo.resolve(revision));
  const names = splitRepoPath(path);
  const entry = await locate(repo.objects, tree, names);
  if (!entry || isFolder(entry) || (await isDeleted(repo, entry))) throw entryNotFound(path, revision);
  const url = `/${pagePath(repo)}/resolve/${encodeURIComponent(revision)}/${encodePath(path)}`;
  const body = await preview(hub, entry, { url, base: `/${pagePath(repo)}`, revision });
  exchange.html(
    page(
      `${repo.id} · ${path}`,
      html`${repoHead(repo, revision, 'files')}${crumbs(repo, revision, names)}
<div class="panel"><dl><dt>size</dt><dd>${formatBytes(entry.size)} (${entry.size} bytes)</dd><dt>sha256</dt><dd><code>${entry.sha256}</code></dd></dl><p><a href="${url}" download>download</a></p></div>${body}`,
    ),
  );
}

async function preview(
  hub: Hub,
  entry: FileEntry,
  place: { url: string; base: string; revision: string },
): Promise<Html> {
  if (isPicture(entry.name)) return html`<p class="card"><img src="${place.url}" alt="${entry.name}"></p>`;
  if (entry.size > MAX_TEXT) return new Html('');
  const chunks: Buffer[] = [];
  for await (const chunk of hub.blobs.read(entry.sha256)) chunks.push(chunk as Buffer);
  const bytes = Buffer.concat(chunks);
  if (bytes.includes(0)) return new Html('');
  const text = bytes.toString('utf8');
  return /\.md$/i.test(entry.name)
    ? renderedText(hub, { sha256: entry.sha256, text, place })
    : html`<pre><code>${text}</code></pre>`;
}
