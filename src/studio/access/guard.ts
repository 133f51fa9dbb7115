import type { HttpBindings } from '@hono/node-server';
import type { Context, MiddlewareHandler } from 'hono';
import { getCookie, setCookie } from 'hono/cookie';
import { strangeRequest } from '../../wire/own-page.ts';
import type { Links } from './links.ts';
import { may, type Right, type Role } from './roles.ts';

/** What every request carries on its way through Studio. */
export interface StudioEnv {
  Bindings: HttpBindings;
  Variables: { role: Role };
}
export type StudioContext = Context<StudioEnv>;

/** How Studio is known from outside. */
export interface PublicName {
  scheme: 'http' | 'https';
  isOwnHost: (host: string) => boolean;
  /** Those names in words. */
  names: string;
}

const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "manifest-src 'self'",
  "form-action 'self'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
].join('; ');

/** Keeps out requests under other names and of other pages, and says in every answer what a page of Studio may load. */
export function ownPagesOnly(name: PublicName): MiddlewareHandler<StudioEnv> {
  return async (c, next) => {
    const { incoming } = c.env;
    const why = strangeRequest(incoming, name) ?? unsignedPost(incoming);
    c.header('content-security-policy', POLICY);
    c.header('x-content-type-options', 'nosniff');
    c.header('x-frame-options', 'DENY');
    // Not "no-referrer": with it, browsers post with the origin "null".
    c.header('referrer-policy', 'same-origin');
    c.header('cross-origin-opener-policy', 'same-origin');
    c.header('cross-origin-resource-policy', 'same-origin');
    if (name.scheme === 'https') c.header('strict-transport-security', 'max-age=31536000');
    if (why !== null) return c.text(`${why}\n`, 403);
    await next();
  };
}

/** Every change is a POST, and every POST names its origin; what else a request may be, it only reads. */
function unsignedPost({ method, headers }: HttpBindings['incoming']): string | null {
  if (method === 'GET' || method === 'HEAD') return null;
  if (method !== 'POST') return 'Expected GET or POST';
  return headers.origin === undefined ? 'Expected the header Origin with a POST, got none' : null;
}

/** Name of the cookie; with TLS, a browser lets nobody but this very host set it. Cookies know no ports: the name does. */
function cookieName(c: StudioContext, scheme: PublicName['scheme']): string {
  const port = c.env.incoming.socket.localPort ?? 0;
  return scheme === 'https' ? '__Host-plein-air-studio' : `plein-air-studio-${port}`;
}

/** The role that a request's cookie gives it; null: none. */
export function roleOf(c: StudioContext, p: { links: Links; scheme: PublicName['scheme'] }): Role | null {
  const token = getCookie(c, cookieName(c, p.scheme));
  return token === undefined ? null : p.links.roleOf(token);
}

/** Keeps the token of a link in a cookie that no script and no other site can use. */
export function keepToken(c: StudioContext, token: string, scheme: PublicName['scheme']): void {
  setCookie(c, cookieName(c, scheme), token, {
    ...{ path: '/', httpOnly: true, sameSite: 'Strict', secure: scheme === 'https' },
    maxAge: 30 * 86_400,
  });
}

/** Lets only those through whose role has a right. */
export function needs(right: Right): MiddlewareHandler<StudioEnv> {
  return async (c, next) => {
    if (!may(c.get('role'), right)) {
      const words = { look: 'looks', rate: 'rates', steer: 'steers' }[right];
      return c.text(
        `Expected a link of somebody who ${words}, got one with the role "${c.get('role')}": ask for a link with "plein-air studio --role ${right}"\n`,
        403,
      );
    }
    await next();
  };
}
