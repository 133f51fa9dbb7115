import { z } from 'zod';
import { pagePath, requireWrite } from '../http/access.ts';
import { badRequest, entryNotFound, HubError } from '../http/errors.ts';
import type { Exchange } from '../http/exchange.ts';
import type { Hub } from '../hub.ts';
import { commitChanges } from '../store/commit.ts';
import { isFolder } from '../store/directories.ts';
import { gitBlobId, lfsPointerId } from '../store/git-ids.ts';
import { isDeleted, type PullRequest, type Repo, type RepoType } from '../store/repo.ts';
import { splitFolderPath, splitRepoPath } from '../store/repo-path.ts';
import { locate, type TreeChange } from '../store/tree.ts';
import { mapInOrder } from './in-order.ts';
import { readLines } from './lines.ts';
import { discussionUrl, openPullRequest } from './pull-requests.ts';

/** Lines of a commit that are stored at once. */
const AT_ONCE = 32;

const Sha256 = z.string().regex(/^[0-9a-f]{64}$/, 'Expected 64 lower-case hexadecimal digits');
const Line = z.discriminatedUnion('key', [
  z.object({
    key: z.literal('header'),
    value: z.object({
      summary: z.string().default(''),
      description: z.string().nullish(),
      parentCommit: z.string().nullish(),
    }),
  }),
  z.object({
    key: z.literal('file'),
    value: z.object({
      path: z.string(),
      content: z.string(),
      encoding: z.enum(['base64', 'utf-8', 'utf8']).nullish(),
    }),
  }),
  z.object({
    key: z.literal('lfsFile'),
    value: z.object({
      path: z.string(),
      oid: Sha256,
      size: z.number().int().nonnegative().nullish(),
      algo: z.literal('sha256').nullish(),
    }),
  }),
  z.object({ key: z.literal('deletedFile'), value: z.object({ path: z.string() }) }),
  z.object({ key: z.literal('deletedFolder'), value: z.object({ path: z.string() }) }),
  z.object({ key: z.literal('deletedEntry'), value: z.object({ path: z.string() }) }),
  z.object({
    key: z.literal('copyFile'),
    value: z.object({ path: z.string(), srcPath: z.string(), srcRevision: z.string().nullish() }),
  }),
]);
type Line = z.infer<typeof Line>;

/** POST commit/{branch}: JSON lines; files are stored as they arrive, and land in one step or not at all. */
export async function commit(hub: Hub, exchange: Exchange, repo: Repo, branch: string): Promise<void> {
  const author = requireWrite(exchange);
  const proposing = ['1', 'true'].includes(exchange.url.searchParams.get('create_pr') ?? '');
  const proposal = /^refs\/pr\/(\d+)$/.exec(branch)?.[1];
  const kind = proposal === undefined ? 'heads' : 'pr';
  const name = proposal ?? branch.replace(/^refs\/heads\//, '');
  if ((await repo.refs.read(kind, name)) === undefined) await repo.resolve(branch).then(refuseTarget(branch));
  let header: Extract<Line, { key: 'header' }>['value'] | undefined;
  const changes: TreeChange[] = [];
  const read = async (text: string, index: number) => {
    const line = parseLine(text, index + 1);
    return line.key === 'header' ? line : toChange(hub, repo, proposal === undefined ? name : branch, line);
  };
  for await (const change of mapInOrder(readLines(exchange.chunks), AT_ONCE, read)) {
    if ('key' in change) header = change.value;
    else changes.push(change);
  }
  if (!header) throw badRequest('Expected a line with key "header" in the commit, got none');
  const { summary, description, parentCommit } = header;
  const made = {
    changes,
    title: summary,
    message: description ?? '',
    author,
    parent: parentCommit ?? undefined,
  };
  let pull: PullRequest | undefined;
  const oid = await repo.exclusively(async () => {
    if (!proposing) return commitChanges(repo, { ...made, branch: name, kind });
    requireHead(await repo.refs.read(kind, name), parentCommit);
    pull = await openPullRequest(repo, {
      base: name,
      title: summary,
      description: description ?? '',
      author,
    });
    return commitChanges(repo, { ...made, branch: String(pull.num), kind: 'pr' });
  });
  await hub.xet.committed(changes.flatMap((change) => (change.kind === 'put' ? [change.file.sha256] : [])));
  if (repo.type === 'space' && name === 'main' && !proposing) hub.spaces?.refresh(repo);
  exchange.json({
    success: true,
    commitOid: oid,
    commitUrl: `${exchange.base}/${pagePath(repo)}/commit/${oid}`,
    hookOutput: '',
    ...(pull ? { pullRequestUrl: discussionUrl(exchange, repo, pull.num) } : {}),
  });
}

/** A proposal that was made from an older head is refused before it is opened. */
function requireHead(head: string | undefined, parent: string | null | undefined): void {
  if (parent != null && parent !== head)
    throw new HubError(
      412,
      `A commit has happened since: expected the head to be ${parent}, it is ${head}. Refresh and try again.`,
      'PreconditionFailed',
    );
}

function refuseTarget(name: string): () => never {
  return () => {
    throw badRequest(`Expected the name of a branch to commit to, got ${JSON.stringify(name)}`);
  };
}

function parseLine(text: string, number: number): Line {
  let raw: unknown;
  try {
    raw = JSON.parse(text);
  } catch {
    throw badRequest(`Expected JSON in line ${number} of the commit, got something else`);
  }
  const parsed = Line.safeParse(raw);
  if (!parsed.success) throw badRequest(`Line ${number} of the commit: ${z.prettifyError(parsed.error)}`);
  return parsed.data;
}

/** Refuses a card that the real Hub would refuse, so that a rehearsal finds out. */
export async function requireValidCard(hub: Hub, repo: { type: RepoType }, card: string): Promise<void> {
  const problems = await hub.cards.problems(card, repo.type);
  if (problems.length > 0) throw badRequest(`Invalid metadata in README.md.\n- ${problems.join('\n- ')}`);
}

async function toChange(
  hub: Hub,
  repo: Repo,
  branch: string,
  line: Exclude<Line, { key: 'header' }>,
): Promise<TreeChange> {
  switch (line.key) {
    case 'file': {
      const bytes = Buffer.from(line.value.content, line.value.encoding === 'base64' ? 'base64' : 'utf8');
      if (line.value.path === 'README.md') await requireValidCard(hub, repo, bytes.toString('utf8'));
      const { sha256, size } = await hub.blobs.storeBytes(bytes);
      return {
        kind: 'put',
        path: splitRepoPath(line.value.path),
        file: { oid: gitBlobId(bytes), size, sha256 },
      };
    }
    case 'lfsFile': {
      const { oid, size: claimed, path } = line.value;
      const size = await hub.blobs.size(oid);
      if (size === undefined || (claimed != null && claimed !== size)) {
        throw badRequest(
          `Expected the large file ${path} (sha256 ${oid}) to be uploaded before its commit, with ${claimed} bytes`,
        );
      }
      return {
        kind: 'put',
        path: splitRepoPath(path),
        file: { oid: lfsPointerId(oid, size), size, sha256: oid, lfs: true },
      };
    }
    case 'deletedFolder':
      return { kind: 'deleteFolder', path: splitFolderPath(line.value.path) };
    case 'deletedFile':
    case 'deletedEntry': {
      const path = splitRepoPath(line.value.path);
      const { tree } = await repo.commit(await repo.resolve(branch));
      const entry = await locate(repo.objects, tree, path);
      return { kind: entry && isFolder(entry) ? 'deleteFolder' : 'deleteFile', path };
    }
    case 'copyFile': {
      const revision = line.value.srcRevision ?? branch;
      const { tree } = await repo.commit(await repo.resolve(revision));
      const entry = await locate(repo.objects, tree, splitRepoPath(line.value.srcPath));
      if (!entry || isFolder(entry) || (await isDeleted(repo, entry)))
        throw entryNotFound(line.value.srcPath, revision);
      const { name: _, ...file } = entry;
      return { kind: 'put', path: splitRepoPath(line.value.path), file };
    }
  }
}
