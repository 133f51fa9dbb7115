import { createHash } from 'node:crypto';
import { HubError } from '../http/errors.ts';
import type { Exchange } from '../http/exchange.ts';

/** GET /api/whoami-v2: the token's user, in the fields that both official clients read. */
export function whoAmI(exchange: Exchange): void {
  const { identity } = exchange;
  if (!identity) throw new HubError(401, 'Invalid username or password: send a token');
  exchange.json({
    type: 'user',
    id: createHash('sha256').update(identity.user).digest('hex').slice(0, 24),
    name: identity.user,
    fullname: identity.user,
    email: `${identity.user}@localhost`,
    emailVerified: true,
    canPay: false,
    isPro: false,
    periodEnd: null,
    avatarUrl: '',
    orgs: [],
    auth: {
      type: 'access_token',
      accessToken: { displayName: identity.role, role: identity.role, createdAt: new Date(0).toISOString() },
    },
  });
}
