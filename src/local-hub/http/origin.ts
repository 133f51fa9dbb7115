import type { IncomingMessage } from 'node:http';
import { HubError } from './errors.ts';

/**
 * Refuses a change, or a question with a body, that a page of another site makes a browser send. Programs send none of these
 * headers; links and pictures from elsewhere are plain reading, whose answers other sites cannot see.
 */
export function refuseOtherSites({ method, headers }: IncomingMessage): void {
  if (method === 'GET' || method === 'HEAD') return;
  const site = headers['sec-fetch-site'];
  const { origin } = headers;
  const isElsewhere =
    (site !== undefined && site !== 'same-origin' && site !== 'none') ||
    (origin !== undefined && !isSameHost(origin, headers.host));
  if (isElsewhere)
    throw new HubError(
      403,
      'Expected a request of a program or of a page of this Hub, got one of another site',
    );
}

function isSameHost(origin: string, host: string | undefined): boolean {
  return URL.canParse(origin) && new URL(origin).host === host?.toLowerCase();
}
