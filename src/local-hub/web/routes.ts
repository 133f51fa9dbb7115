import { findRepo } from '../http/access.ts';
import { HubError } from '../http/errors.ts';
import type { Exchange } from '../http/exchange.ts';
import type { Hub } from '../hub.ts';
import type { Repo, RepoType } from '../store/repo.ts';
import { commitPage, commitsPage } from './commit-pages.ts';
import { blobPage, treePage } from './file-pages.ts';
import { html } from './html.ts';
import { page } from './page.ts';
import { repoList } from './repo-list.ts';
import { repoPage } from './repo-page.ts';

/** What a page's address names, after its type was read off. */
export interface PageAddress {
  readonly type: RepoType;
  readonly prefixed: boolean;
  readonly namespace: string;
  readonly name: string;
  readonly verb: string;
  /** The revision and the path that the rest of the address names. */
  split(repo: Repo): Promise<{ revision: string; path: string }>;
}

/** Answers a page, or a page that says what is wrong; `?token` asks the browser for a token, for private repos. */
export async function showPage(hub: Hub, exchange: Exchange, address: PageAddress): Promise<void> {
  try {
    if (exchange.url.searchParams.has('token') && !exchange.identity) {
      exchange.response.setHeader('WWW-Authenticate', 'Basic realm="any name, and a token as password"');
      exchange.html(page('Token', html`<h1>This needs a token</h1>`), 401);
      return;
    }
    await choosePage(hub, exchange, address);
  } catch (error) {
    if (!(error instanceof HubError) || error.status >= 500) throw error;
    const hidden = exchange.identity
      ? undefined
      : html`<p>It may be private: <a href="?token">open it with a token</a>.</p>`;
    const status = error.status === 401 ? 404 : error.status;
    exchange.html(
      page('Not found', html`<h1>Nothing to see here</h1><p>${error.message}</p>${hidden}`),
      status,
    );
  }
}

async function choosePage(hub: Hub, exchange: Exchange, address: PageAddress): Promise<void> {
  const { type, namespace, name, verb } = address;
  if (namespace === '') {
    const types: readonly RepoType[] = address.prefixed ? [type] : ['model', 'dataset', 'space'];
    return repoList(hub, exchange, { types });
  }
  if (name === '') {
    if (namespace === 'models' && !address.prefixed) return repoList(hub, exchange, { types: ['model'] });
    return repoList(hub, exchange, { types: ['model', 'dataset', 'space'], owner: namespace });
  }
  const repo = await findRepo(hub, exchange, type, `${namespace}/${name}`);
  if (verb === '') return repoPage(hub, exchange, repo);
  const { revision, path } = await address.split(repo);
  if (verb === 'tree') return treePage(exchange, repo, revision || 'main', path);
  if (verb === 'blob') return blobPage(hub, exchange, repo, revision, path);
  if (verb === 'commits') return commitsPage(exchange, repo, revision || 'main');
  if (verb === 'commit') return commitPage(exchange, repo, revision);
  throw new HubError(404, `There is no page at ${exchange.url.pathname}`);
}
