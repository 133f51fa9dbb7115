import { whoAmI } from '@huggingface/hub';
import { PipelineError } from '../domain/errors.ts';
import { describeRepo, resolveUrl } from './addresses.ts';
import { commitChanges } from './committing.ts';
import { authorized, type Connection } from './connection.ts';
import { downloadFolder } from './downloading.ts';
import type { Hub, HubEntry } from './hub.ts';
import { HubFailure, toPipelineError } from './hub-failure.ts';
import { type ListedFile, listFolder, lookUp } from './listing.ts';
import {
  createTag,
  deleteRepo,
  deleteTag,
  ensureBranch,
  ensureRepo,
  listBranches,
  listTags,
  resolveRevision,
  setBranch,
} from './references.ts';
import {
  requestHardware,
  restartSpace,
  setSpaceSecret,
  spaceHost,
  spaceRuntime,
  spaceSecrets,
} from './spaces.ts';
import { deleteLargeFiles, squashHistory } from './storage.ts';
import { createTransport, DEFAULT_PATIENCE, type Patience } from './transport.ts';

/** Which Hub to speak to; `patience` shortens waits in tests. */
export interface HubOptions {
  endpoint: string;
  accessToken: string;
  fetch?: typeof fetch;
  patience?: Partial<Patience>;
}

/** The Hub behind an endpoint, real or local; its errors are `PipelineError`s that never hold the token. */
export function connectHub(options: HubOptions): Hub {
  const { accessToken } = options;
  const endpoint = options.endpoint.replace(/\/+$/, '');
  if (!accessToken.startsWith('hf_')) {
    throw new PipelineError(
      'HubRefused',
      'expected a Hub token that starts with "hf_" in HF_TOKEN, got something else: make one in your Hub settings (settings/tokens) and set HF_TOKEN',
    );
  }
  const patience = { ...DEFAULT_PATIENCE, ...options.patience };
  const transport = createTransport(options.fetch ?? fetch, patience, endpoint);
  const hub: Connection = { endpoint, accessToken, transport };
  const surface = async <T>(doing: string, task: () => Promise<T>, signal?: AbortSignal): Promise<T> => {
    try {
      return await task();
    } catch (error) {
      signal?.throwIfAborted();
      throw toPipelineError(error, doing, accessToken);
    }
  };
  return {
    endpoint,
    whoAmI: () =>
      surface('learn who owns the token in HF_TOKEN', async () => {
        const { name } = await whoAmI({ accessToken, hubUrl: endpoint, fetch: transport.fetch });
        return name;
      }),
    ensureRepo: (repo, more) => surface(`create ${describeRepo(repo)}`, () => ensureRepo(hub, repo, more)),
    deleteRepo: (repo) => surface(`delete ${describeRepo(repo)}`, () => deleteRepo(hub, repo)),
    resolve: (repo, revision = 'main') =>
      surface(`resolve ${revision} of ${describeRepo(repo)}`, () => resolveRevision(hub, repo, revision)),
    list: (repo, revision, folder) =>
      surface(`list ${folder ?? 'all'} of ${describeRepo(repo)}`, async () =>
        (await listFolder(hub, { repo, revision, folder })).map(toEntry),
      ),
    read: (repo, revision, path) =>
      surface(`read ${path} of ${describeRepo(repo)}`, () =>
        readWhole(hub, resolveUrl(endpoint, repo, revision, path)),
      ),
    readRange: (repo, revision, path, start, end) =>
      surface(`read bytes ${start} to ${end} of ${path} in ${describeRepo(repo)}`, () =>
        readRange(hub, resolveUrl(endpoint, repo, revision, path), start, end),
      ),
    stat: (repo, revision, path) =>
      surface(`look up ${path} in ${describeRepo(repo)}`, async () => {
        const found = (await lookUp(hub, { repo, revision, paths: [path] })).get(path);
        return found === undefined || found === 'folder' ? null : toEntry(found);
      }),
    download: (request) =>
      surface(
        `download ${request.folder ?? 'all'} of ${describeRepo(request.repo)}`,
        () => downloadFolder(hub, request),
        request.signal,
      ),
    commit: (request) =>
      surface(`commit to ${describeRepo(request.repo)}`, () => commitChanges(hub, request), request.signal),
    tags: (repo) => surface(`list tags of ${describeRepo(repo)}`, () => listTags(hub, repo)),
    branches: (repo) => surface(`list branches of ${describeRepo(repo)}`, () => listBranches(hub, repo)),
    createTag: (repo, name, commit, message) =>
      surface(`tag ${name} in ${describeRepo(repo)}`, () => createTag(hub, repo, { name, commit, message })),
    deleteTag: (repo, name) =>
      surface(`remove tag ${name} of ${describeRepo(repo)}`, () => deleteTag(hub, repo, name)),
    ensureBranch: (repo, name, commit) =>
      surface(`create branch ${name} of ${describeRepo(repo)}`, () =>
        ensureBranch(hub, repo, { name, commit }),
      ),
    setBranch: (repo, name, commit) =>
      surface(`point branch ${name} of ${describeRepo(repo)} at ${commit}`, () =>
        setBranch(hub, repo, { name, commit }),
      ),
    squash: (repo, branch, message) =>
      surface(`squash branch ${branch} of ${describeRepo(repo)}`, () =>
        squashHistory(hub, repo, { branch, message }),
      ),
    deleteLargeFiles: (repo, sha256s) =>
      surface(`free ${sha256s.length} large files of ${describeRepo(repo)}`, () =>
        deleteLargeFiles(hub, repo, sha256s),
      ),
    ...spaceCalls(hub, surface),
  };
}

type Surface = <T>(doing: string, task: () => Promise<T>) => Promise<T>;

function spaceCalls(
  hub: Connection,
  surface: Surface,
): Pick<
  Hub,
  'spaceRuntime' | 'spaceHost' | 'requestHardware' | 'spaceSecrets' | 'setSpaceSecret' | 'restartSpace'
> {
  return {
    spaceRuntime: (space) => surface(`look at Space ${space}`, () => spaceRuntime(hub, space)),
    spaceHost: (space) => surface(`find the address of Space ${space}`, () => spaceHost(hub, space)),
    requestHardware: (space, flavor) =>
      surface(`ask for ${flavor} for Space ${space}`, () => requestHardware(hub, space, flavor)),
    spaceSecrets: (space) => surface(`list the secrets of Space ${space}`, () => spaceSecrets(hub, space)),
    setSpaceSecret: (space, secret) =>
      surface(`set secret ${secret.key} of Space ${space}`, () => setSpaceSecret(hub, space, secret)),
    restartSpace: (space) => surface(`restart Space ${space}`, () => restartSpace(hub, space)),
  };
}

function toEntry({ path, bytes, sha256 }: ListedFile): HubEntry {
  return { path, bytes, sha256 };
}

async function readWhole(hub: Connection, url: string): Promise<Buffer | null> {
  try {
    const response = await hub.transport.fetch(url, { headers: authorized(hub) });
    return Buffer.from(await response.arrayBuffer());
  } catch (error) {
    if (error instanceof HubFailure && error.status === 404 && error.code === 'EntryNotFound') return null;
    throw error;
  }
}

async function readRange(hub: Connection, url: string, start: number, end: number): Promise<Buffer> {
  if (end <= start) return Buffer.alloc(0);
  const headers = authorized(hub, { range: `bytes=${start}-${end - 1}`, 'accept-encoding': 'identity' });
  const response = await hub.transport.fetch(url, { headers });
  const bytes = Buffer.from(await response.arrayBuffer());
  return response.status === 206 ? bytes : bytes.subarray(start, end);
}
