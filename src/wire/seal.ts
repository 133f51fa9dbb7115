import { createHash } from 'node:crypto';

/**
 * Header by which both ends of a plain HTTP connection find a message that was damaged on its way, which TCP's 16-bit
 * checksum lets pass: sha256 of what the head says, a dot, sha256 of the body. It guards against noise; whoever wants to
 * deceive makes a seal of his own, and is kept out by TLS alone.
 */
export const SEAL = 'x-message-seal';

/** sha256 of no bytes. */
export const NO_BODY = sha256(new Uint8Array());

/** What of a head decides what a message means; hop-by-hop headers and those that say nothing to us are left out. */
const OF_REQUESTS = ['host', 'authorization', 'range', 'if-range', 'if-none-match'];
const OF_ANSWERS = ['content-range', 'etag', 'link', 'location', 'retry-after', 'ratelimit', 'x-error-code'];

type HeaderOf = (name: string) => string | null | undefined;

/** Seal of a request; `target` is path and query as sent, `bytes` the length of its body. */
export function sealRequest(p: {
  method: string;
  target: string;
  bytes: number;
  header: HeaderOf;
  bodySha256: string;
}): string {
  return seal([p.method, p.target, String(p.bytes)], OF_REQUESTS, p);
}

/** Seal of an answer, which is bound to the seal of what was asked. */
export function sealAnswer(p: {
  request: string;
  status: number;
  header: HeaderOf;
  bodySha256: string;
}): string {
  return seal([p.request, String(p.status)], OF_ANSWERS, p);
}

/** sha256 of the body that a seal promises. */
export function sealedBody(of: string): string {
  return of.slice(of.indexOf('.') + 1);
}

function seal(start: string[], names: string[], p: { header: HeaderOf; bodySha256: string }): string {
  // Parsers take the white space around a header's value away.
  const headers = names.map((name) => p.header(name)?.trim() ?? null);
  return `${sha256(JSON.stringify([...start, ...headers, p.bodySha256]))}.${p.bodySha256}`;
}

function sha256(of: string | Uint8Array): string {
  return createHash('sha256').update(of).digest('hex');
}
