import type { Hub } from '../hub.ts';
import { type Repo, RepoType } from '../store/repo.ts';
import { isRepoId } from '../store/repos.ts';
import { HubError } from './errors.ts';
import type { Exchange } from './exchange.ts';

/** Reads the `Authorization` header; a token that nobody knows is refused even where none is needed. */
export function identify(hub: Hub, exchange: Exchange): void {
  const header = exchange.request.headers.authorization;
  if (header === undefined) return;
  const [scheme = '', credentials = ''] = header.split(' ');
  const isBasic = scheme.toLowerCase() === 'basic';
  // A browser sends a remembered password along with any site's request: it may read, never write.
  if (isBasic && exchange.method !== 'GET' && exchange.method !== 'HEAD') return;
  const token = isBasic
    ? Buffer.from(credentials, 'base64').toString().split(':').slice(1).join(':')
    : credentials;
  const identity = hub.tokens.identify(token);
  if (!identity) throw new HubError(401, 'Invalid user token: this Hub does not know it');
  exchange.identity = identity;
}

/** Who a rate limit counts a request for: the user of a known token, else the address it came from. */
export function askerOf(hub: Hub, exchange: Exchange): string {
  const [, credentials = ''] = (exchange.request.headers.authorization ?? '').split(' ');
  const user = hub.tokens.identify(credentials)?.user;
  return user === undefined ? `address ${exchange.request.socket.remoteAddress}` : `user ${user}`;
}

/** Insists on a token that may write. */
export function requireWrite(exchange: Exchange): string {
  if (!exchange.identity) throw new HubError(401, 'This needs a token: send "Authorization: Bearer hf_..."');
  if (exchange.identity.role !== 'write') {
    throw new HubError(
      403,
      `The token of ${exchange.identity.user} may read only: this needs one that may write`,
    );
  }
  return exchange.identity.user;
}

/** The repo's answer for those who may not know whether it exists. */
function repoNotFound(exchange: Exchange): HubError {
  return exchange.identity
    ? new HubError(404, 'Repository not found', 'RepoNotFound')
    : new HubError(401, 'Repository not found, or private: this needs a token', 'RepoNotFound');
}

/** Finds a repo that the asker may read; a private one does not exist for those without a token. */
export async function findRepo(hub: Hub, exchange: Exchange, type: RepoType, id: string): Promise<Repo> {
  const repo = await hub.repos.find(type, id);
  if (!repo) throw (await movedAway(hub, exchange, type, id)) ?? repoNotFound(exchange);
  if (repo.record.private && !exchange.identity) throw repoNotFound(exchange);
  return repo;
}

/** 307 to a moved repo's new name, for those who may see it there. */
async function movedAway(
  hub: Hub,
  exchange: Exchange,
  type: RepoType,
  id: string,
): Promise<HubError | undefined> {
  const moved = isRepoId(id) ? await hub.repos.movedTo(type, id) : undefined;
  const repo = moved === undefined ? undefined : await hub.repos.find(type, moved);
  const { pathname, search } = exchange.url;
  if (!repo || !pathname.includes(`/${id}`) || (repo.record.private && !exchange.identity)) return undefined;
  const error = new HubError(307, `The ${type} ${id} has moved to ${repo.id}`);
  error.location = `${exchange.base}${pathname.replace(`/${id}`, `/${repo.id}`)}${search}`;
  return error;
}

/** A gated repo's files need a token that may write, or of a user who was let in; its card and listing do not. */
export function requireContent(repo: Repo, exchange: Exchange): void {
  const { identity } = exchange;
  if (repo.record.gated === false) return;
  if (!identity) {
    const message = `Access to ${repo.type} ${repo.id} is restricted: this needs a token`;
    throw new HubError(401, message, 'GatedRepo');
  }
  const granted = Object.hasOwn(repo.record.access, identity.user) && repo.record.access[identity.user];
  if (identity.role === 'write' || repo.id.startsWith(`${identity.user}/`)) return;
  if (granted && granted.status === 'accepted') return;
  throw new HubError(
    403,
    `Access to ${repo.type} ${repo.id} is restricted and you are not in the authorized list. Ask for access at ${exchange.base}/${pagePath(repo)}`,
    'GatedRepo',
  );
}

/** Reads `models`, `datasets` or `spaces`. */
export function parseRepoTypePlural(segment: string | undefined): RepoType | undefined {
  const parsed = RepoType.safeParse(segment?.replace(/s$/, ''));
  return parsed.success && segment?.endsWith('s') ? parsed.data : undefined;
}

/** The path of a repo's page: models have no prefix. */
export function pagePath(repo: { type: RepoType; id: string }): string {
  return repo.type === 'model' ? repo.id : `${repo.type}s/${repo.id}`;
}
