import { z } from 'zod';
import { findRepo, pagePath, requireWrite } from '../http/access.ts';
import { HubError } from '../http/errors.ts';
import type { Exchange } from '../http/exchange.ts';
import type { Hub } from '../hub.ts';
import { commitChanges } from '../store/commit.ts';
import { gitBlobId } from '../store/git-ids.ts';
import { RepoType } from '../store/repo.ts';
import { splitRepoPath } from '../store/repo-path.ts';
import type { TreeChange } from '../store/tree.ts';
import { DEFAULT_GITATTRIBUTES } from '../store/upload-mode.ts';
import { requireValidCard } from './commit.ts';

/** A secret or variable of a Space, as requests give it. */
export const KeyValue = z.object({
  key: z.string().min(1),
  value: z.string(),
  description: z.string().nullish(),
});
const NewFile = z.object({
  path: z.string(),
  content: z.string(),
  encoding: z.enum(['base64', 'utf-8', 'utf8']).nullish(),
});

/** Who may see a repo. The real Hub shows the app of a "protected" Space and hides its code: here it is hidden altogether. */
export const Visibility = z.enum(['public', 'private', 'protected']);

/** Whether a request asks for a hidden repo; undefined: it does not say. What is not plainly public is hidden. */
export function wantsPrivate(asked: {
  private?: boolean | null | undefined;
  visibility?: z.infer<typeof Visibility> | null | undefined;
}): boolean | undefined {
  if (asked.visibility == null) return asked.private ?? undefined;
  return asked.private === true || asked.visibility !== 'public';
}

const CreateRequest = z.object({
  name: z.string(),
  organization: z.string().nullish(),
  type: RepoType.nullish(),
  private: z.boolean().nullish(),
  visibility: Visibility.nullish(),
  sdk: z.string().nullish(),
  hardware: z.string().nullish(),
  sleepTimeSeconds: z.number().nullish(),
  secrets: z.array(KeyValue).nullish(),
  variables: z.array(KeyValue).nullish(),
  license: z.string().nullish(),
  files: z.array(NewFile).nullish(),
});

/** Secrets or variables by their keys, as a repo remembers them. */
export function keyed(list: readonly z.infer<typeof KeyValue>[] | null | undefined) {
  const updatedAt = new Date().toISOString();
  return Object.fromEntries(
    (list ?? []).map(({ key, value, description }) => [
      key,
      { value, updatedAt, ...(description ? { description } : {}) },
    ]),
  );
}

/** POST /api/repos/create. */
export async function createRepo(hub: Hub, exchange: Exchange): Promise<void> {
  const user = requireWrite(exchange);
  const asked = await exchange.body(CreateRequest);
  const type = asked.type ?? 'model';
  const id = asked.name.includes('/') ? asked.name : `${asked.organization ?? user}/${asked.name}`;
  const url = `${exchange.base}/${pagePath({ type, id })}`;
  if (type === 'space' && !asked.sdk)
    throw new HubError(400, 'Expected an `sdk` for the Space: gradio, static or docker');
  const taken = new HubError(409, `You already created this ${type} repo`, undefined, { url, name: id });
  if (await hub.repos.find(type, id)) throw taken;
  const creating = hub.repos.create(
    type,
    id,
    {
      private: wantsPrivate(asked) ?? false,
      secrets: keyed(asked.secrets),
      variables: keyed(asked.variables),
      ...(asked.sdk ? { sdk: asked.sdk } : {}),
      ...(asked.hardware ? { hardware: asked.hardware } : {}),
      ...(asked.sleepTimeSeconds == null ? {} : { sleepTime: asked.sleepTimeSeconds }),
    },
    async (draft) => {
      await commitChanges(draft, {
        branch: 'main',
        changes: await firstFiles(hub, type, asked),
        title: 'initial commit',
        message: '',
        author: user,
        create: true,
      });
    },
  );
  const repo = await creating.catch((error: unknown) => {
    throw error instanceof HubError && error.status === 409 ? taken : error;
  });
  if (type === 'space') hub.spaces?.refresh(repo);
  exchange.json({ url, name: id, id: repo.record.uid, private: repo.record.private });
}

/** The files of a new repo: `.gitattributes`, those that were sent along, and a card where only a license was. */
async function firstFiles(
  hub: Hub,
  type: RepoType,
  { files, license }: Pick<z.infer<typeof CreateRequest>, 'files' | 'license'>,
): Promise<TreeChange[]> {
  const contents = new Map([['.gitattributes', Buffer.from(DEFAULT_GITATTRIBUTES)]]);
  if (license != null) contents.set('README.md', Buffer.from(`---\nlicense: ${license}\n---\n`));
  for (const { path, content, encoding } of files ?? [])
    contents.set(path, Buffer.from(content, encoding === 'base64' ? 'base64' : 'utf8'));
  const card = contents.get('README.md');
  if (card) await requireValidCard(hub, { type }, card.toString('utf8'));
  const changes: TreeChange[] = [];
  for (const [path, bytes] of contents) {
    const { sha256, size } = await hub.blobs.storeBytes(bytes);
    changes.push({ kind: 'put', path: splitRepoPath(path), file: { oid: gitBlobId(bytes), sha256, size } });
  }
  return changes;
}

const DeleteRequest = z.object({
  name: z.string(),
  organization: z.string().nullish(),
  type: RepoType.nullish(),
});

/** DELETE /api/repos/delete. */
export async function deleteRepo(hub: Hub, exchange: Exchange): Promise<void> {
  const user = requireWrite(exchange);
  const { name, organization, type } = await exchange.body(DeleteRequest);
  const id = name.includes('/') ? name : `${organization ?? user}/${name}`;
  const repo = await findRepo(hub, exchange, type ?? 'model', id);
  await repo.exclusively(() => hub.repos.remove(repo));
  if (repo.type === 'space') hub.spaces?.refresh(repo);
  exchange.json({ success: true });
}

const MoveRequest = z.object({ fromRepo: z.string(), toRepo: z.string(), type: RepoType.nullish() });

/** POST /api/repos/move. */
export async function moveRepo(hub: Hub, exchange: Exchange): Promise<void> {
  requireWrite(exchange);
  const { fromRepo, toRepo, type } = await exchange.body(MoveRequest);
  const repo = await findRepo(hub, exchange, type ?? 'model', fromRepo);
  if (await hub.repos.find(repo.type, toRepo))
    throw new HubError(409, `Expected a free name, but ${toRepo} exists`);
  await repo.exclusively(() => hub.repos.move(repo, toRepo));
  const moved = repo.type === 'space' ? await hub.repos.find('space', toRepo) : undefined;
  if (moved) hub.spaces?.refresh(moved);
  exchange.json({ success: true });
}
