import { isLoopback } from '../../wire/loopback.ts';
import { HubError } from './errors.ts';

/**
 * Refuses a request for another name: a page on the web can make its own name point at 127.0.0.1, and would then speak to
 * this Hub as if it were its own server, with the token that everybody knows.
 */
export function requireLoopbackName(header: string | undefined): void {
  if (header === undefined || isLoopback(header.replace(/:\d+$/, ''))) return;
  throw new HubError(
    421,
    `Expected a request for localhost or 127.0.0.1, got one for ${JSON.stringify(header.slice(0, 100))}: serve on another --host, with a --token, to be reached by name`,
  );
}
