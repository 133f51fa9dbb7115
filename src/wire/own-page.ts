import type { IncomingHttpHeaders } from 'node:http';

/**
 * Why a request is not one that this service's own name or own page was used for; null: it is. A page of the web can make
 * its name point at 127.0.0.1, or post here without asking: the first shows in `Host`, the second in `Origin`.
 */
export function strangeRequest(
  { method, headers }: { method?: string | undefined; headers: IncomingHttpHeaders },
  own: { scheme: 'http' | 'https'; isOwnHost: (host: string) => boolean; names: string },
): string | null {
  const { host = '', origin } = headers;
  if (!own.isOwnHost(host.replace(/:\d+$/, '')))
    return `Expected a request for ${own.names}, got one for another name`;
  if (origin !== undefined && origin !== `${own.scheme}://${host}`)
    return 'Expected a request of a page of this service, got one of another origin';
  const site = headers['sec-fetch-site'];
  const isLink = method === 'GET' && headers['sec-fetch-mode'] === 'navigate';
  if (site !== undefined && site !== 'same-origin' && site !== 'none' && !isLink)
    return 'Expected a request of a page of this service, got one of another site';
  return null;
}
