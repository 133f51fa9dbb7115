import { z } from 'zod';
import { pagePath, requireContent, requireWrite } from '../http/access.ts';
import { HubError } from '../http/errors.ts';
import type { Exchange } from '../http/exchange.ts';
import type { Hub } from '../hub.ts';
import { walkReachable } from '../store/reachable.ts';
import type { Repo } from '../store/repo.ts';
import { KeyValue, keyed, Visibility, wantsPrivate } from './repos.ts';

/** What else the real Hub knows of (volumes, resource groups) is refused. */
const DuplicateRequest = z.strictObject({
  repository: z.string(),
  private: z.boolean().nullish(),
  visibility: Visibility.nullish(),
  hardware: z.string().nullish(),
  sleepTimeSeconds: z.number().nullish(),
  secrets: z.array(KeyValue).nullish(),
  variables: z.array(KeyValue).nullish(),
});

/**
 * POST duplicate: another repo with the same branches, tags and history. Files are kept by their contents, so that none is
 * copied. Who may see it is as before unless the request says otherwise; secrets, access granted and pull requests stay behind.
 */
export async function duplicateRepo(hub: Hub, exchange: Exchange, repo: Repo): Promise<void> {
  const user = requireWrite(exchange);
  requireContent(repo, exchange);
  const asked = await exchange.body(DuplicateRequest);
  const id = asked.repository.includes('/') ? asked.repository : `${user}/${asked.repository}`;
  const { type, record } = repo;
  const url = `${exchange.base}/${pagePath({ type, id })}`;
  if (await hub.repos.find(type, id))
    throw new HubError(409, `You already created this ${type} repo`, undefined, { url, name: id });
  const settings = {
    private: wantsPrivate(asked) ?? record.private,
    ...{ gated: record.gated, discussionsDisabled: record.discussionsDisabled },
    tagMessages: record.tagMessages,
    secrets: keyed(asked.secrets),
    variables: asked.variables == null ? record.variables : keyed(asked.variables),
    ...(record.sdk === undefined ? {} : { sdk: record.sdk }),
    ...(asked.hardware == null ? {} : { hardware: asked.hardware }),
    ...(asked.sleepTimeSeconds == null ? {} : { sleepTime: asked.sleepTimeSeconds }),
  };
  const made = await repo.exclusively(() =>
    hub.repos.create(type, id, settings, (draft) => copyHistory(repo, draft)),
  );
  if (type === 'space') hub.spaces?.refresh(made);
  exchange.json({
    url,
    name: id,
    id: made.record.uid,
    private: made.record.private,
    filesCopyPending: false,
  });
}

/** Records first, refs last; what was deleted for good stays deleted. Damage is found here, not by who reads the copy. */
async function copyHistory(from: Repo, to: Repo): Promise<void> {
  const { records, problems } = await walkReachable(from);
  if (problems.length > 0)
    throw new HubError(500, `Expected a repo that is whole, got one with damage: ${problems[0]}`);
  for (const oid of records) await to.objects.adopt(from.objects, oid);
  await to.lfs.append([...(await from.lfs.read()).values()]);
  for (const kind of ['heads', 'tags'] as const)
    for (const { name, target } of await from.refs.list(kind)) await to.refs.write(kind, name, target);
}
