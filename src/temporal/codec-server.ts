import { createHash, timingSafeEqual } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Payload, PayloadCodec } from '@temporalio/common';
import { isLoopback } from '../wire/loopback.ts';

/** Payloads as Temporal's UI and command line send them: bytes in base64. */
interface WirePayload {
  metadata?: Record<string, string>;
  data?: string;
}

const MAX_BODY = 64 * 2 ** 20;

/**
 * Serves `/encode` and `/decode` for the Temporal UI and `temporal --codec-endpoint`, to pages of these origins only, and
 * where there is a token to who shows it (`authorization: Bearer …`, `--codec-auth` of the command line).
 */
export function createCodecServer(codec: PayloadCodec, origins: string[], token?: string): Server {
  const settings = { headersTimeout: 15_000, requestTimeout: 60_000 };
  return createServer(settings, (request, response) => {
    const { origin } = request.headers;
    if (origin !== undefined) {
      if (!origins.includes(origin))
        return send(response, 403, { message: `origin ${origin} is not allowed` });
      response.setHeader('access-control-allow-origin', origin);
      response.setHeader('access-control-allow-headers', 'content-type, x-namespace, authorization');
      response.setHeader('access-control-allow-methods', 'POST, OPTIONS');
      response.setHeader('access-control-allow-credentials', 'true');
      response.setHeader('vary', 'origin');
    }
    if (request.method === 'OPTIONS') return send(response, 204, null);
    if (token !== undefined && !isToken(request.headers.authorization, token))
      return send(response, 401, {
        message: 'expected the token of PLEIN_AIR_CODEC_TOKEN as "authorization: Bearer …"',
      });
    if (token === undefined && !isLoopback((request.headers.host ?? '').replace(/:\d+$/, '')))
      return send(response, 421, { message: 'expected a request for localhost or 127.0.0.1' });
    const verb = request.url?.split('?')[0];
    if (request.method !== 'POST' || (verb !== '/encode' && verb !== '/decode'))
      return send(response, 404, { message: 'expected POST /encode or POST /decode' });
    answer(request, (payloads) =>
      verb === '/encode' ? codec.encode(payloads) : codec.decode(payloads),
    ).then(
      (payloads) => send(response, 200, { payloads }),
      (error: unknown) =>
        send(response, 400, { message: error instanceof Error ? error.message : String(error) }),
    );
  });
}

function isToken(header: string | undefined, token: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(header ?? ''), digest(`Bearer ${token}`));
}

async function answer(
  request: IncomingMessage,
  convert: (payloads: Payload[]) => Promise<Payload[]>,
): Promise<WirePayload[]> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MAX_BODY) throw new Error(`expected at most ${MAX_BODY} bytes`);
    chunks.push(chunk);
  }
  const body = JSON.parse(Buffer.concat(chunks).toString('utf8')) as { payloads?: WirePayload[] };
  if (!Array.isArray(body.payloads)) throw new Error('expected {"payloads": […]}');
  return (await convert(body.payloads.map(fromWire))).map(toWire);
}

function fromWire({ metadata, data }: WirePayload): Payload {
  return {
    metadata: Object.fromEntries(
      Object.entries(metadata ?? {}).map(([key, value]) => [key, Buffer.from(value, 'base64')]),
    ),
    ...(data === undefined ? {} : { data: Buffer.from(data, 'base64') }),
  };
}

function toWire({ metadata, data }: Payload): WirePayload {
  const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64');
  return {
    metadata: Object.fromEntries(Object.entries(metadata ?? {}).map(([key, value]) => [key, base64(value)])),
    ...(data == null ? {} : { data: base64(data) }),
  };
}

function send(response: ServerResponse, status: number, body: object | null): void {
  response.writeHead(status, body === null ? {} : { 'content-type': 'application/json' });
  response.end(body === null ? undefined : JSON.stringify(body));
}
