import { createHash } from 'node:crypto';
import { z } from 'zod';
import { requireWrite } from '../http/access.ts';
import { badRequest, HubError } from '../http/errors.ts';
import type { Exchange } from '../http/exchange.ts';
import type { AccessRequest, Repo } from '../store/repo.ts';

const Status = z.enum(['accepted', 'rejected', 'pending']);
const User = { user: z.string().nullish(), requestId: z.string().nullish() };
const Handle = z.object({ ...User, status: Status });
const Grant = z.object(User);

const idOf = (repo: Repo, user: string): string =>
  createHash('sha256').update(`${repo.record.uid} ${user}`).digest('hex').slice(0, 24);

/** POST ask-access: what the button on a gated repo's page does; at once for `auto`, else an owner decides. */
export async function askAccess(exchange: Exchange, repo: Repo): Promise<void> {
  const { identity } = exchange;
  if (!identity) throw new HubError(401, 'This needs a token: send "Authorization: Bearer hf_..."');
  requireGated(repo);
  const status = repo.record.gated === 'auto' ? 'accepted' : 'pending';
  if (!Object.hasOwn(repo.record.access, identity.user)) await decide(repo, identity.user, status);
  exchange.json({ status: repo.record.access[identity.user]?.status });
}

/** GET user-access-request/{status}: who asked, or was let in or turned away. */
export function listAccess(exchange: Exchange, repo: Repo, wanted: string | undefined): void {
  requireWrite(exchange);
  requireGated(repo);
  const parsed = Status.safeParse(wanted);
  if (!parsed.success) throw badRequest(`Expected accepted, rejected or pending, got ${wanted}`);
  exchange.json(
    Object.entries(repo.record.access)
      .filter(([, { status }]) => status === parsed.data)
      .map(([user, { status, timestamp }]) => ({
        requestId: idOf(repo, user),
        user: { user, fullname: user, email: null },
        status,
        timestamp,
        fields: {},
      })),
  );
}

/** POST user-access-request/handle and /grant: lets somebody in, or turns them away. */
export async function changeAccess(exchange: Exchange, repo: Repo, verb: string | undefined): Promise<void> {
  requireWrite(exchange);
  requireGated(repo);
  const grant = verb === 'grant';
  if (!grant && verb !== 'handle') throw new HubError(404, 'Expected user-access-request/handle or /grant');
  const asked = grant
    ? { ...(await exchange.body(Grant)), status: 'accepted' as const }
    : await exchange.body(Handle);
  const { status } = asked;
  const known = Object.keys(repo.record.access).find((user) => idOf(repo, user) === asked.requestId);
  const user = asked.user ?? known;
  if (user == null) throw badRequest('Expected the `user` or the `requestId` of somebody who asked');
  const before = repo.record.access[user]?.status;
  if (!grant && before === undefined) throw new HubError(404, `Expected a user who asked, got ${user}`);
  if (before === status) throw badRequest(`Expected another state for ${user}: it is ${status} already`);
  await decide(repo, user, status);
  exchange.json({ success: true });
}

function requireGated(repo: Repo): void {
  if (repo.record.gated === false) throw badRequest(`Expected a gated repo, ${repo.id} is open to everybody`);
}

async function decide(repo: Repo, user: string, status: AccessRequest['status']): Promise<void> {
  const entry = { status, timestamp: new Date().toISOString() };
  await repo.exclusively(() => repo.update({ access: { ...repo.record.access, [user]: entry } }));
}
