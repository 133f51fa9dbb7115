import { createHash } from 'node:crypto';
import { z } from 'zod';
import { pagePath, requireWrite } from '../http/access.ts';
import { badRequest, HubError } from '../http/errors.ts';
import type { Exchange } from '../http/exchange.ts';
import type { Hub } from '../hub.ts';
import { commitChanges } from '../store/commit.ts';
import { isFolder } from '../store/directories.ts';
import type { PullRequest, Repo } from '../store/repo.ts';
import { locate, type TreeChange } from '../store/tree.ts';
import { diffTrees } from '../store/tree-diff.ts';

const PAGE = 50;
type Event = PullRequest['events'][number];

/** The next free number of a repo's pull requests; one whose record a crash lost keeps its own. */
async function nextNumber(repo: Repo): Promise<number> {
  const refs = (await repo.refs.list('pr')).map(({ name }) => Number(name));
  return 1 + Math.max(0, ...refs, ...repo.record.pullRequests.map(({ num }) => num));
}

/** Opens a pull request at the head of a branch; call it with the repo's lock. */
export async function openPullRequest(
  repo: Repo,
  p: { base: string; title: string; description: string; author: string },
): Promise<PullRequest> {
  if (repo.record.discussionsDisabled)
    throw new HubError(403, `Pull requests are switched off in ${repo.id}`);
  const from = await repo.resolve(p.base);
  const num = await nextNumber(repo);
  const createdAt = new Date().toISOString();
  const pull: PullRequest = {
    ...{ num, title: p.title, author: p.author, createdAt, status: 'open', base: p.base, from },
    events:
      p.description === '' ? [] : [{ type: 'comment', author: p.author, createdAt, text: p.description }],
  };
  await repo.refs.write('pr', String(num), from);
  await repo.update({ pullRequests: [...repo.record.pullRequests, pull] });
  return pull;
}

const OpenRequest = z.object({
  title: z.string().min(1),
  description: z.string().nullish(),
  pullRequest: z.boolean().nullish(),
});

/** POST discussions: opens a pull request without changes, for commits to its `refs/pr/N`. */
export async function createDiscussion(exchange: Exchange, repo: Repo): Promise<void> {
  const author = requireWrite(exchange);
  const { title, description, pullRequest } = await exchange.body(OpenRequest);
  if (!pullRequest)
    throw new HubError(
      501,
      'This Hub has pull requests, no discussions: talk elsewhere, and commit what was decided',
    );
  const { num } = await repo.exclusively(() =>
    openPullRequest(repo, { base: 'main', title, description: description ?? '', author }),
  );
  exchange.json({ num, pullRequest: true, title, url: discussionUrl(exchange, repo, num) });
}

/** The address of a pull request's page, as clients print it. */
export function discussionUrl(exchange: Exchange, repo: Repo, num: number): string {
  return `${exchange.base}/${pagePath(repo)}/discussions/${num}`;
}

/** GET discussions and GET discussions/{num}. */
export async function showDiscussions(
  exchange: Exchange,
  repo: Repo,
  num: string | undefined,
): Promise<void> {
  if (num !== undefined) {
    const pull = find(repo, num);
    const { searchParams } = exchange.url;
    searchParams.delete('diff');
    exchange.json({
      ...describe(repo, pull),
      events: pull.events.map((event, index) => describeEvent(pull, event, index)),
      changes: {
        base: `refs/heads/${pull.base}`,
        ...(pull.mergeCommit ? { mergeCommitId: pull.mergeCommit } : {}),
      },
      filesWithConflicts: pull.status === 'open' ? (await changesOf(repo, pull)).conflicts : [],
    });
    return;
  }
  const { searchParams } = exchange.url;
  const [type, status, author] = ['type', 'status', 'author'].map((name) => searchParams.get(name));
  const all = repo.record.pullRequests.filter(
    (pull) =>
      (type == null || type === 'all' || type === 'pull_request') &&
      (status == null || status === 'all' || (status === 'open') === (pull.status === 'open')) &&
      (author == null || author === pull.author),
  );
  const start = PAGE * Math.max(0, Math.trunc(Number(searchParams.get('p') ?? 0)) || 0);
  const discussions = all
    .reverse()
    .slice(start, start + PAGE)
    .map((pull) => describe(repo, pull));
  exchange.json({
    discussions,
    count: all.length,
    start,
    numClosedDiscussions: all.filter(({ status }) => status !== 'open').length,
  });
}

const Change = z.object({
  comment: z.string().nullish(),
  title: z.string().min(1).nullish(),
  status: z.enum(['open', 'closed']).nullish(),
});

/** POST discussions/{num}/merge, status, title and comment. */
export async function changeDiscussion(
  hub: Hub,
  exchange: Exchange,
  repo: Repo,
  rest: readonly string[],
): Promise<void> {
  const author = requireWrite(exchange);
  const [num = '', verb] = rest;
  const { comment, title, status } = await exchange.body(Change);
  await repo.exclusively(async () => {
    const pull = find(repo, num);
    const changed = await applyChange(repo, pull, { verb, title, status, author });
    const createdAt = new Date().toISOString();
    const said: Event[] = comment ? [{ type: 'comment', author, createdAt, text: comment }] : [];
    const events = [...changed.events, ...said];
    await repo.update({
      pullRequests: repo.record.pullRequests.map((one) =>
        one.num === pull.num ? { ...changed, events } : one,
      ),
    });
  });
  if (verb === 'merge' && repo.type === 'space') hub.spaces?.refresh(repo);
  const pull = find(repo, num);
  const last = pull.events.length - 1;
  const event = pull.events[last];
  exchange.json({
    success: true,
    ...(event
      ? {
          newTitle: describeEvent(pull, event, last),
          newStatus: describeEvent(pull, event, last),
          newMessage: describeEvent(pull, event, last),
        }
      : {}),
  });
}

async function applyChange(
  repo: Repo,
  pull: PullRequest,
  p: {
    verb: string | undefined;
    title: string | null | undefined;
    status: 'open' | 'closed' | null | undefined;
    author: string;
  },
): Promise<PullRequest> {
  const event = (more: Partial<Event> & { type: Event['type'] }): Event => ({
    ...more,
    author: p.author,
    createdAt: new Date().toISOString(),
  });
  if (p.verb === 'comment') return pull;
  if (p.verb === 'title' && p.title)
    return {
      ...pull,
      title: p.title,
      events: [...pull.events, event({ type: 'title-change', text: pull.title })],
    };
  if (pull.status === 'merged') throw new HubError(409, `Pull request ${pull.num} is merged already`);
  if (p.verb === 'status' && p.status)
    return {
      ...pull,
      status: p.status,
      events: [...pull.events, event({ type: 'status-change', text: p.status })],
    };
  if (p.verb !== 'merge')
    throw badRequest('Expected merge, status with "status", title with "title", or comment');
  const mergeCommit = await merge(repo, pull, p.author);
  return {
    ...pull,
    status: 'merged',
    mergeCommit,
    events: [...pull.events, event({ type: 'status-change', text: 'merged' })],
  };
}

/** Puts what the pull request changed on its base; a file that was changed on both sides stops it. */
async function merge(repo: Repo, pull: PullRequest, author: string): Promise<string> {
  const { changes, conflicts } = await changesOf(repo, pull);
  if (conflicts.length > 0)
    throw new HubError(
      409,
      `Expected a pull request without conflicts, ${conflicts.join(', ')} changed on ${pull.base} as well: commit to refs/pr/${pull.num} what should be there, or open another one`,
    );
  const title = `${pull.title} (#${pull.num})`;
  return commitChanges(repo, { branch: pull.base, changes, title, message: '', author });
}

async function changesOf(
  repo: Repo,
  pull: PullRequest,
): Promise<{ changes: TreeChange[]; conflicts: string[] }> {
  const treeOf = async (revision: string) => (await repo.commit(await repo.resolve(revision))).tree;
  const [from, wanted, now] = [
    await treeOf(pull.from),
    await treeOf(`refs/pr/${pull.num}`),
    await treeOf(pull.base),
  ];
  const changes: TreeChange[] = [];
  const conflicts: string[] = [];
  for await (const { path, kind } of diffTrees(repo.objects, from, wanted)) {
    const names = path.split('/');
    const [before, after, here] = [
      await fileAt(repo, from, names),
      await fileAt(repo, wanted, names),
      await fileAt(repo, now, names),
    ];
    if (here?.sha256 === after?.sha256) continue;
    if (here?.sha256 !== before?.sha256) conflicts.push(path);
    else if (kind === 'removed' || !after) changes.push({ kind: 'deleteFile', path: names });
    else changes.push({ kind: 'put', path: names, file: after });
  }
  return { changes, conflicts };
}

async function fileAt(repo: Repo, tree: string | null, path: readonly string[]) {
  const entry = await locate(repo.objects, tree, path);
  if (!entry || isFolder(entry)) return undefined;
  const { name: _, ...file } = entry;
  return file;
}

function find(repo: Repo, num: string): PullRequest {
  const pull = repo.record.pullRequests.find((one) => String(one.num) === num);
  if (!pull)
    throw new HubError(
      404,
      `Expected the number of a pull request of ${repo.id}, got ${JSON.stringify(num.slice(0, 40))}`,
    );
  return pull;
}

function describe(
  repo: Repo,
  { num, title, author, createdAt, status }: PullRequest,
): Record<string, unknown> {
  return {
    num,
    title,
    author: { name: author },
    createdAt,
    status,
    isPullRequest: true,
    repo: { name: repo.id, type: repo.type },
  };
}

function describeEvent(
  pull: PullRequest,
  { type, author, createdAt, text = '' }: Event,
  index: number,
): Record<string, unknown> {
  const id = createHash('sha256').update(`${pull.from} ${pull.num} ${index}`).digest('hex').slice(0, 24);
  const latest = { raw: text, html: '', updatedAt: createdAt, author: { name: author } };
  const data =
    type === 'comment'
      ? { edited: false, hidden: false, latest, history: [latest] }
      : type === 'status-change'
        ? { status: text }
        : { from: text, to: pull.title };
  return { id, type, createdAt, author: { name: author }, data };
}
