import { createHash } from 'node:crypto';
import { types } from 'node:util';
import { NO_BODY, SEAL, sealAnswer, sealedBody, sealRequest } from '../wire/seal.ts';
import { describeRequest, HubFailure, waitAsked } from './hub-failure.ts';

/** An answer whose head came as it was sent. */
export interface Sealed {
  response: Response;
  /** Throws a transient failure where the body is not as it was sent. */
  check(body: Uint8Array): void;
}

/** Unsealed answers after which a Hub that has never sealed one is taken for one that knows no seals. */
const MOST_UNSEALED = 4;
/**
 * Times in a row that a Hub, in an answer that came whole, calls a request damaged before one was ever right: that is no
 * noise, a proxy rewrites heads. Fewer than a request has tries.
 */
const MOST_REWRITTEN = 5;
const REDIRECTS = 5;

/**
 * Seals requests over plain HTTP and believes no answer that is not sealed in turn: a damaged one is a transient failure, of
 * which nothing is concluded. A Hub that knows no seals, a mirror in a laboratory, is one that has never sent any, and a proxy
 * that rewrites heads lets none pass: there requests go as they are. TLS finds damage by itself.
 */
export function createSealing(bare: typeof fetch): (url: string, init: RequestInit) => Promise<Sealed> {
  const hubs = new Map<string, 'seals' | 'plain' | { unsealed: number; rewritten: number }>();
  const note = (origin: string, what: 'unsealed' | 'rewritten' | 'noise'): void => {
    const known = hubs.get(origin) ?? { unsealed: 0, rewritten: 0 };
    if (typeof known === 'string') return;
    if (what === 'unsealed') known.unsealed += 1;
    else known.rewritten = what === 'noise' ? 0 : known.rewritten + 1;
    const isPlain = known.unsealed > MOST_UNSEALED || known.rewritten === MOST_REWRITTEN;
    hubs.set(origin, isPlain ? 'plain' : known);
  };
  const once = async (url: string, init: RequestInit): Promise<Sealed> => {
    const { origin, host, pathname, search } = new URL(url);
    if (hubs.get(origin) === 'plain') return unchecked(await bare(url, init));
    const method = (init.method ?? 'GET').toUpperCase();
    const headers = new Headers(init.headers);
    const request = sealRequest({
      method,
      target: pathname + search,
      header: (name) => (name === 'host' ? host : headers.get(name)),
      ...(await digestOf(init.body)),
    });
    headers.set(SEAL, request);
    const response = await bare(url, { redirect: 'manual', ...init, headers });
    const verdict = judge(response, request);
    if (verdict !== 'whole') {
      note(origin, verdict === 'unsealed' ? 'unsealed' : 'noise');
      if (verdict === 'unsealed' && hubs.get(origin) === 'plain') return unchecked(response);
      await response.body?.cancel();
      // Whoever said it, a proxy that limits requests perhaps: to wait costs nothing but time.
      const retryAfterMs = verdict === 'unsealed' ? waitAsked(response.headers) : null;
      throw damaged('head', method, url, retryAfterMs);
    }
    if (response.headers.get('x-error-code') === 'Damaged') note(origin, 'rewritten');
    else hubs.set(origin, 'seals');
    const promised = sealedBody(response.headers.get(SEAL) ?? '');
    const check = (body: Uint8Array) => {
      if (createHash('sha256').update(body).digest('hex') !== promised) throw damaged('body', method, url);
    };
    return { response, check };
  };
  return async (url, init) => {
    if (!url.startsWith('http://')) return unchecked(await bare(url, init));
    let at = url;
    for (let redirects = 0; ; redirects += 1) {
      const answer = await once(at, init);
      const to = answer.response.headers.get('location');
      if (to === null || answer.response.status < 300 || redirects === REDIRECTS) return answer;
      await answer.response.body?.cancel();
      const next = new URL(to, at);
      if (next.origin !== new URL(at).origin) return elsewhere(bare, next, init);
      at = next.href;
    }
  };
}

function judge(response: Response, request: string): 'whole' | 'damaged' | 'unsealed' {
  const seal = response.headers.get(SEAL);
  // A server that could not read a request says no more than 400: that is nobody's answer to what was asked.
  if (seal === null) return response.headers.has('content-type') ? 'unsealed' : 'damaged';
  const header = (name: string) => response.headers.get(name);
  const bodySha256 = sealedBody(seal);
  return sealAnswer({ request, status: response.status, header, bodySha256 }) === seal ? 'whole' : 'damaged';
}

function unchecked(response: Response): Sealed {
  return { response, check: () => undefined };
}

function damaged(
  what: 'head' | 'body',
  method: string,
  url: string,
  retryAfterMs: number | null = null,
): HubFailure {
  const reason = `the ${what} of the answer, or the request, was damaged on its way`;
  return new HubFailure({ status: null, where: describeRequest(method, url), reason, retryAfterMs });
}

/** Follows to another server, which is not shown the token. */
async function elsewhere(bare: typeof fetch, url: URL, init: RequestInit): Promise<Sealed> {
  const headers = new Headers(init.headers);
  headers.delete('authorization');
  return unchecked(await bare(url, { ...init, headers }));
}

/** Size and sha256 of what is to be sent. */
async function digestOf(body: RequestInit['body']): Promise<{ bytes: number; bodySha256: string }> {
  if (body === undefined || body === null) return { bytes: 0, bodySha256: NO_BODY };
  const hash = createHash('sha256');
  let bytes = 0;
  for await (const chunk of piecesOf(body)) {
    hash.update(chunk);
    bytes += chunk.byteLength;
  }
  return { bytes, bodySha256: hash.digest('hex') };
}

async function* piecesOf(body: NonNullable<RequestInit['body']>): AsyncGenerator<Uint8Array> {
  if (body instanceof Blob) yield* body.stream() as AsyncIterable<Uint8Array>;
  else if (types.isAnyArrayBuffer(body)) yield new Uint8Array(body);
  else if (ArrayBuffer.isView(body)) yield new Uint8Array(body.buffer, body.byteOffset, body.byteLength);
  else if (typeof body === 'string' || body instanceof URLSearchParams) yield Buffer.from(String(body));
  else throw new TypeError('expected a body that can be sent again, got one that can be read only once');
}
