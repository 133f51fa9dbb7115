import { z } from 'zod';
import { requireWrite } from '../http/access.ts';
import { revisionNotFound } from '../http/errors.ts';
import type { Exchange } from '../http/exchange.ts';
import type { CommitRecord, Repo } from '../store/repo.ts';
import { nextLink } from './entries.ts';

const PAGE = 50;
const LARGEST_PAGE = 1000;

function describeCommit(id: string, commit: CommitRecord): Record<string, unknown> {
  const { title, message, author, date } = commit;
  return { id, title, message, date, authors: [{ user: author, avatar: '' }] };
}

/** GET commits/{revision}: newest first, in pages; `X-Total-Count` is known without walking. */
export async function listCommits(exchange: Exchange, repo: Repo, revision: string): Promise<void> {
  const { searchParams } = exchange.url;
  const asked = Number(searchParams.get('limit') ?? PAGE);
  const limit = Number.isInteger(asked) && asked > 0 ? Math.min(asked, LARGEST_PAGE) : PAGE;
  const page = Math.max(0, Math.trunc(Number(searchParams.get('p') ?? 0)) || 0);
  let oid: string | undefined = await repo.resolve(revision);
  const total = (await repo.commit(oid)).number;
  const commits: unknown[] = [];
  for (let index = 0; oid !== undefined && commits.length < limit; index += 1) {
    const commit: CommitRecord = await repo.commit(oid);
    if (index >= page * limit) commits.push(describeCommit(oid, commit));
    oid = commit.parents[0];
  }
  const headers: Record<string, string> = { 'X-Total-Count': String(total) };
  if (oid !== undefined) headers.Link = nextLink(exchange, 'p', String(page + 1));
  exchange.json(commits, 200, headers);
}

const SquashRequest = z.object({ message: z.string().nullish() });

/** POST super-squash/{branch}: one commit with the same files and no history, in one move of the branch. */
export async function superSquash(exchange: Exchange, repo: Repo, branch: string): Promise<void> {
  const author = requireWrite(exchange);
  const { message } = await exchange.body(SquashRequest);
  await repo.exclusively(async () => {
    const head = await repo.refs.read('heads', branch);
    if (head === undefined) throw revisionNotFound(branch);
    const { tree } = await repo.commit(head);
    const title = message ?? 'Super-squash branch';
    const record: CommitRecord = {
      tree,
      parents: [],
      number: 1,
      title,
      message: '',
      author,
      date: new Date().toISOString(),
    };
    await repo.refs.write('heads', branch, await repo.objects.write('commit', record));
  });
  exchange.json({ success: true });
}
