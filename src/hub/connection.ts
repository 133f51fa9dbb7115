import type { Transport } from './transport.ts';

/** Where a Hub is and how it is spoken to; the token leaves this object in request headers only. */
export interface Connection {
  /** Without a slash at its end. */
  endpoint: string;
  accessToken: string;
  transport: Transport;
}

/** Headers of a plain request. */
export function authorized(
  { accessToken }: Connection,
  more: Record<string, string> = {},
): Record<string, string> {
  return { authorization: `Bearer ${accessToken}`, ...more };
}
