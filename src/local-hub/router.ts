import { commit } from './api/commit.ts';
import { duplicateRepo } from './api/duplicate.ts';
import { listTree, pathsInfo } from './api/entries.ts';
import { askAccess, changeAccess, listAccess } from './api/gating.ts';
import { listCommits, superSquash } from './api/history.ts';
import { listRepos, repoInfo } from './api/info.ts';
import { jobs } from './api/jobs.ts';
import { lfsBatch, lfsTransfer, lfsVerify } from './api/lfs.ts';
import { deleteLfsFiles, listLfsFiles } from './api/lfs-files.ts';
import { preupload } from './api/preupload.ts';
import { changeDiscussion, createDiscussion, showDiscussions } from './api/pull-requests.ts';
import { createBranch, createTag, deleteBranch, deleteTag, listRefs } from './api/refs.ts';
import { createRepo, deleteRepo, moveRepo } from './api/repos.ts';
import { resolveFile } from './api/resolve.ts';
import { changeSettings } from './api/settings.ts';
import { changeSpace, spaceHost, spaceKeys, spaceLogs, spaceRuntime } from './api/spaces.ts';
import { validateYaml } from './api/validate-yaml.ts';
import { whoAmI } from './api/whoami.ts';
import { xetTransfer, xetWriteToken } from './api/xet.ts';
import { findRepo, identify, parseRepoTypePlural, requireContent, requireWrite } from './http/access.ts';
import { HubError } from './http/errors.ts';
import type { Exchange } from './http/exchange.ts';
import type { Hub } from './hub.ts';
import type { Repo, RepoType } from './store/repo.ts';
import { showPage } from './web/routes.ts';

type RepoHandler = (hub: Hub, exchange: Exchange, repo: Repo, rest: string[]) => Promise<void> | void;

/** Most slashes in the name of a branch that an address gives as they are. */
const DEEPEST_NAME = 8;

/** Splits what is left of a path: the revision is the longest branch or tag that it begins with, else its first part. */
async function splitRevision(
  repo: Repo,
  rest: readonly string[],
): Promise<{ revision: string; path: string }> {
  const split = (count: number) => ({
    revision: rest.slice(0, count).join('/'),
    path: rest.slice(count).join('/'),
  });
  for (let count = Math.min(rest.length, DEEPEST_NAME); count > 1; count -= 1)
    if (await repo.isRef(rest.slice(0, count).join('/'))) return split(count);
  return split(rest[0] === 'refs' ? 3 : 1);
}

/** Everything under /api/{type}s/{namespace}/{name}/, by method and verb. */
const REPO_ROUTES: Readonly<Record<string, RepoHandler>> = {
  'GET ': (hub, exchange, repo) => repoInfo(hub, exchange, repo, 'HEAD'),
  'GET revision': (hub, exchange, repo, rest) => repoInfo(hub, exchange, repo, rest.join('/')),
  'GET tree': async (_hub, exchange, repo, rest) => {
    const { revision, path } = await splitRevision(repo, rest);
    return listTree(exchange, repo, revision || 'HEAD', path);
  },
  'POST paths-info': (_hub, exchange, repo, rest) => pathsInfo(exchange, repo, rest.join('/')),
  'GET refs': (_hub, exchange, repo) => listRefs(exchange, repo),
  'GET commits': (_hub, exchange, repo, rest) => listCommits(exchange, repo, rest.join('/')),
  'POST preupload': (hub, exchange, repo, rest) => preupload(hub, exchange, repo, rest.join('/')),
  'POST commit': (hub, exchange, repo, rest) => commit(hub, exchange, repo, rest.join('/')),
  'POST branch': (_hub, exchange, repo, rest) => createBranch(exchange, repo, rest.join('/')),
  'DELETE branch': (_hub, exchange, repo, rest) => deleteBranch(exchange, repo, rest.join('/')),
  'POST tag': (_hub, exchange, repo, rest) => createTag(exchange, repo, rest.join('/')),
  'DELETE tag': (_hub, exchange, repo, rest) => deleteTag(exchange, repo, rest.join('/')),
  'POST super-squash': (_hub, exchange, repo, rest) => superSquash(exchange, repo, rest.join('/')),
  'GET lfs-files': (_hub, exchange, repo) => listLfsFiles(exchange, repo),
  'POST lfs-files': (_hub, exchange, repo) => deleteLfsFiles(exchange, repo),
  'GET discussions': (_hub, exchange, repo, rest) => showDiscussions(exchange, repo, rest[0]),
  'POST discussions': (hub, exchange, repo, rest) =>
    rest.length === 0 ? createDiscussion(exchange, repo) : changeDiscussion(hub, exchange, repo, rest),
  'POST duplicate': (hub, exchange, repo) => duplicateRepo(hub, exchange, repo),
  'PUT settings': (_hub, exchange, repo) => changeSettings(exchange, repo),
  'GET xet-write-token': (hub, exchange, repo) => xetWriteToken(hub, exchange, repo),
  'GET auth-check': (_hub, exchange, repo, rest) => {
    if (rest[0] === 'write') requireWrite(exchange);
    requireContent(repo, exchange);
    exchange.json({ success: true });
  },
  'POST ask-access': (_hub, exchange, repo) => askAccess(exchange, repo),
  'GET user-access-request': (_hub, exchange, repo, rest) => listAccess(exchange, repo, rest[0]),
  'POST user-access-request': (_hub, exchange, repo, rest) => changeAccess(exchange, repo, rest[0]),
  'GET secrets': (hub, exchange, repo) => spaceKeys(hub, exchange, repo, 'secrets'),
  'POST secrets': (hub, exchange, repo) => spaceKeys(hub, exchange, repo, 'secrets'),
  'DELETE secrets': (hub, exchange, repo) => spaceKeys(hub, exchange, repo, 'secrets'),
  'GET variables': (hub, exchange, repo) => spaceKeys(hub, exchange, repo, 'variables'),
  'POST variables': (hub, exchange, repo) => spaceKeys(hub, exchange, repo, 'variables'),
  'DELETE variables': (hub, exchange, repo) => spaceKeys(hub, exchange, repo, 'variables'),
  'GET host': (hub, exchange, repo) => spaceHost(hub, exchange, repo),
  'GET logs': (hub, exchange, repo) => spaceLogs(hub, exchange, repo),
  'GET runtime': (hub, exchange, repo) => spaceRuntime(hub, exchange, repo),
  'POST hardware': (hub, exchange, repo) => changeSpace(hub, exchange, repo, 'hardware'),
  'POST sleeptime': (hub, exchange, repo) => changeSpace(hub, exchange, repo, 'sleeptime'),
  'POST pause': (hub, exchange, repo) => changeSpace(hub, exchange, repo, 'pause'),
  'POST restart': (hub, exchange, repo) => changeSpace(hub, exchange, repo, 'restart'),
};

/** Sends a request to its endpoint. */
export async function route(hub: Hub, exchange: Exchange): Promise<void> {
  const [first] = exchange.segments;
  if (first === '_lfs') return lfsTransfer(hub, exchange);
  if (first === '_xet') return xetTransfer(hub, exchange);
  identify(hub, exchange);
  if (first === 'api') return routeApi(hub, exchange);
  return routePage(hub, exchange);
}

function nothingHere(exchange: Exchange): HubError {
  return new HubError(
    404,
    `Nothing is at ${exchange.method} ${exchange.url.pathname.slice(0, 200)} on this Hub`,
  );
}

/** What the real Hub has and this one does not, with what to do instead. */
const ABSENT: Readonly<Record<string, string>> = {
  buckets: 'keep the files in a dataset repo',
  collections: 'list repos by author, search or tag',
  jobs: 'start a GPU worker on that machine instead',
  organizations: 'every name may be a namespace, and a token that may write may write everywhere',
  settings:
    'list repos with GET /api/models?author=…, and subscribe to nothing: runs send notices themselves',
  users: 'GET /api/whoami-v2 names the token’s owner',
};

async function routeApi(hub: Hub, exchange: Exchange): Promise<void> {
  const [, area = '', namespace, name, verb = '', ...rest] = exchange.segments;
  const method = exchange.method === 'HEAD' ? 'GET' : exchange.method;
  const top = `${method} ${exchange.segments.slice(1).join('/')}`;
  if (top === 'GET whoami-v2') return whoAmI(exchange);
  if (top === 'POST repos/create') return createRepo(hub, exchange);
  if (top === 'DELETE repos/delete') return deleteRepo(hub, exchange);
  if (top === 'POST repos/move') return moveRepo(hub, exchange);
  if (top === 'POST validate-yaml') return validateYaml(hub, exchange);
  if (area === 'jobs') return jobs(hub, exchange);
  const type = parseRepoTypePlural(area);
  if (!type && Object.hasOwn(ABSENT, area))
    throw new HubError(501, `This Hub has no ${area}: ${ABSENT[area]}`);
  if (!type) throw nothingHere(exchange);
  if (namespace === undefined) return listRepos(hub, exchange, type);
  const id = name === undefined ? namespace : `${namespace}/${name}`;
  const repo = await findRepo(hub, exchange, type, id);
  const key = `${method} ${verb}`;
  const handler = Object.hasOwn(REPO_ROUTES, key) ? REPO_ROUTES[key] : undefined;
  if (!handler) throw nothingHere(exchange);
  return handler(hub, exchange, repo, rest);
}

/** Parts of an address after which a file is named. */
const FILES = ['resolve', 'raw'];

async function routePage(hub: Hub, exchange: Exchange): Promise<void> {
  const [first, ...others] = exchange.segments;
  const prefixed: RepoType | undefined =
    first === 'datasets' || first === 'spaces' ? parseRepoTypePlural(first) : undefined;
  const type = prefixed ?? 'model';
  const [namespace = '', name = '', verb = '', ...rest] = prefixed ? others : exchange.segments;
  if (name.endsWith('.git')) {
    const repo = await findRepo(hub, exchange, type, `${namespace}/${name.slice(0, -'.git'.length)}`);
    const action = `${exchange.method} ${[verb, ...rest].join('/')}`;
    if (action === 'POST info/lfs/objects/batch') return lfsBatch(hub, exchange, repo);
    if (action === 'POST info/lfs/objects/verify') return lfsVerify(hub, exchange);
    throw new HubError(404, 'This Hub speaks HTTP and large-file storage, not git: use the API');
  }
  // A name without a namespace: `resolve` stands where the name would.
  if (FILES.includes(name)) await findRepo(hub, exchange, type, namespace);
  if (FILES.includes(verb) && (exchange.method === 'GET' || exchange.method === 'HEAD')) {
    const repo = await findRepo(hub, exchange, type, `${namespace}/${name}`);
    const { revision, path } = await splitRevision(repo, rest);
    return resolveFile(hub, exchange, repo, revision, path);
  }
  if (verb === 'ask-access' && exchange.method === 'POST')
    return askAccess(exchange, await findRepo(hub, exchange, type, `${namespace}/${name}`));
  if (exchange.method !== 'GET' && exchange.method !== 'HEAD') throw nothingHere(exchange);
  return showPage(hub, exchange, {
    type,
    prefixed: prefixed !== undefined,
    namespace,
    name,
    verb,
    split: (repo) => splitRevision(repo, rest),
  });
}
