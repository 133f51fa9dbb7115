import { z } from 'zod';
import { requireWrite } from '../http/access.ts';
import { HubError, revisionNotFound } from '../http/errors.ts';
import type { Exchange } from '../http/exchange.ts';
import type { Ref } from '../store/refs.ts';
import type { Repo } from '../store/repo.ts';
import { checkRefName } from '../store/repo-path.ts';

/** GET refs: branches and tags. */
export async function listRefs(exchange: Exchange, repo: Repo): Promise<void> {
  const describe = (kind: string) => (ref: Ref) => ({
    name: ref.name,
    ref: `refs/${kind}/${ref.name}`,
    targetCommit: ref.target,
  });
  exchange.json({
    branches: (await repo.refs.list('heads')).map(describe('heads')),
    tags: (await repo.refs.list('tags')).map((tag) => ({
      ...describe('tags')(tag),
      ...(Object.hasOwn(repo.record.tagMessages, tag.name)
        ? { message: repo.record.tagMessages[tag.name] }
        : {}),
    })),
    converts: [],
    pullRequests: exchange.url.searchParams.has('include_prs')
      ? (await repo.refs.list('pr')).map((ref) => ({ ...describe('pr')(ref), name: `refs/pr/${ref.name}` }))
      : [],
  });
}

const BranchRequest = z.object({
  startingPoint: z.string().nullish(),
  emptyBranch: z.boolean().nullish(),
  overwrite: z.boolean().nullish(),
});

/** POST branch/{name}. */
export async function createBranch(exchange: Exchange, repo: Repo, name: string): Promise<void> {
  const author = requireWrite(exchange);
  checkRefName(name);
  const { startingPoint, emptyBranch, overwrite } = await exchange.body(BranchRequest);
  await repo.exclusively(async () => {
    if (!overwrite && (await repo.refs.read('heads', name)) !== undefined) {
      throw new HubError(409, `Reference refs/heads/${name} already exists`);
    }
    const target = emptyBranch
      ? await repo.objects.write('commit', {
          tree: null,
          parents: [],
          number: 1,
          title: 'initial commit',
          message: '',
          author,
          date: new Date().toISOString(),
        })
      : await repo.resolve(startingPoint ?? 'main');
    await repo.refs.write('heads', name, target);
  });
  exchange.empty(201);
}

/** DELETE branch/{name}; main stays. */
export async function deleteBranch(exchange: Exchange, repo: Repo, name: string): Promise<void> {
  requireWrite(exchange);
  if (name === 'main') throw new HubError(403, 'Cannot delete refs/heads/main: every repo keeps it');
  await repo.exclusively(async () => {
    if ((await repo.refs.read('heads', name)) === undefined) throw revisionNotFound(name);
    await repo.refs.remove('heads', name);
  });
  exchange.empty(204);
}

const TagRequest = z.object({ tag: z.string(), message: z.string().nullish() });

/** POST tag/{revision}: names a commit; a name that is taken is 409. */
export async function createTag(exchange: Exchange, repo: Repo, revision: string): Promise<void> {
  requireWrite(exchange);
  const { tag, message } = await exchange.body(TagRequest);
  checkRefName(tag);
  await repo.exclusively(async () => {
    if ((await repo.refs.read('tags', tag)) !== undefined) {
      throw new HubError(409, `Reference refs/tags/${tag} already exists`);
    }
    const target = await repo.resolveShort(revision);
    const { [tag]: _, ...others } = repo.record.tagMessages;
    if (message || tag in repo.record.tagMessages)
      await repo.update({ tagMessages: message ? { ...others, [tag]: message } : others });
    await repo.refs.write('tags', tag, target);
  });
  exchange.empty(201);
}

/** DELETE tag/{name}. */
export async function deleteTag(exchange: Exchange, repo: Repo, tag: string): Promise<void> {
  requireWrite(exchange);
  await repo.exclusively(async () => {
    if ((await repo.refs.read('tags', tag)) === undefined) throw revisionNotFound(tag);
    await repo.refs.remove('tags', tag);
  });
  exchange.empty(204);
}
