import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { z } from 'zod';
import type { BufferBudget } from './buffer-budget.ts';
import { badRequest, HubError } from './errors.ts';
import type { Identity } from './tokens.ts';

const HOST = /^(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:]+\])(?::\d{1,5})?$/;
/** Largest body that is kept in memory: of who shows a token, and of anybody. */
const BODY_LIMIT = { known: 32 * 1024 * 1024, anyone: 64 * 1024 };

/** How this server is reached where a request does not say. */
export interface ServerAddress {
  readonly scheme: 'http' | 'https';
  host: string;
}

/** One request and the means to answer it. */
export class Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly url: URL;
  readonly method: string;
  readonly segments: readonly string[];
  /** The client's own name for the request where it gave one, so that both logs can be compared. */
  readonly requestId: string;
  identity: Identity | undefined;
  readonly #own: ServerAddress;
  readonly #buffered: BufferBudget;

  constructor(
    request: IncomingMessage,
    response: ServerResponse,
    own: ServerAddress,
    buffered: BufferBudget,
  ) {
    this.request = request;
    this.response = response;
    this.#own = own;
    this.#buffered = buffered;
    const named = request.headers['x-request-id'];
    this.requestId = typeof named === 'string' && /^[\w-]{1,64}$/.test(named) ? named : randomUUID();
    this.method = request.method ?? 'GET';
    this.url = parseTarget(request.url ?? '/');
    this.segments = splitPath(this.url.pathname);
  }

  /** The address under which the client reached this server, for links in answers. */
  get base(): string {
    const { host } = this.request.headers;
    return `${this.#own.scheme}://${host !== undefined && HOST.test(host) ? host : this.#own.host}`;
  }

  /** Answers with JSON. */
  json(body: unknown, status = 200, headers: Record<string, string> = {}): void {
    this.#send(status, 'application/json; charset=utf-8', JSON.stringify(body), headers);
  }

  /** Answers with a page; nothing in it may load from elsewhere or run. */
  html(body: string, status = 200): void {
    this.#send(status, 'text/html; charset=utf-8', body, {
      'Content-Security-Policy':
        "default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data:; form-action 'none'; base-uri 'none'; frame-ancestors 'none'",
      'Referrer-Policy': 'no-referrer',
    });
  }

  /** Answers with text of another type. */
  text(type: string, body: string, headers: Record<string, string> = {}): void {
    this.#send(200, type, body, headers);
  }

  /** Answers with nothing but a status. */
  empty(status: number, headers: Record<string, string> = {}): void {
    this.response.writeHead(status, { ...this.#common(), ...headers }).end();
  }

  #common(): Record<string, string> {
    return { 'X-Request-Id': this.requestId, 'X-Content-Type-Options': 'nosniff' };
  }

  #send(status: number, type: string, body: string, headers: Record<string, string>): void {
    const bytes = Buffer.from(body);
    const more = { 'Content-Type': type, 'Content-Length': String(bytes.length), ...headers };
    this.response.writeHead(status, { ...this.#common(), ...more });
    this.response.end(this.method === 'HEAD' ? undefined : bytes);
  }

  /** Answers with an error in the form that both official clients read. */
  fail(error: HubError): void {
    if (this.response.headersSent) {
      this.response.destroy();
      return;
    }
    const message = error.message.replace(/[^\x20-\x7e]/g, '?').slice(0, 500);
    this.json({ error: error.message, ...error.data }, error.status, {
      'X-Error-Message': message,
      ...(error.code === undefined || error.code === 'BadRequest' ? {} : { 'X-Error-Code': error.code }),
      ...(error.status === 401 ? { 'WWW-Authenticate': 'Bearer' } : {}),
      ...(error.status === 503 ? { 'Retry-After': String(error.retryAfter ?? 2) } : {}),
      ...(error.location === undefined ? {} : { Location: error.location }),
    });
  }

  /** The body as it arrives; leaving it early keeps the connection open, so that the refusal can be sent. */
  get chunks(): AsyncIterable<Buffer> {
    return this.request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>;
  }

  /** Reads the body whole; longer than `limit` bytes is 413. */
  async bytes(limit = this.identity ? BODY_LIMIT.known : BODY_LIMIT.anyone): Promise<Buffer> {
    const tooLong = (): HubError =>
      new HubError(
        413,
        `Expected a body of at most ${limit} bytes${this.identity ? '' : ' without a token'}, got more`,
      );
    if (Number(this.request.headers['content-length'] ?? 0) > limit) throw tooLong();
    const chunks: Buffer[] = [];
    let size = 0;
    try {
      for await (const chunk of this.chunks) {
        size += chunk.length;
        if (size > limit) throw tooLong();
        this.#buffered.take(chunk.length);
        chunks.push(chunk);
      }
      return Buffer.concat(chunks);
    } finally {
      this.#buffered.giveBack(size);
    }
  }

  /** Reads a JSON body and checks it; with `form` also a form, as JSON of strings and lists. */
  async body<T extends z.ZodType>(schema: T, { form = false } = {}): Promise<z.infer<T>> {
    const text = (await this.bytes()).toString('utf8');
    const type = this.request.headers['content-type'] ?? '';
    const isForm = type.startsWith('application/x-www-form-urlencoded');
    // A page of another site sends forms and plain text without asking; JSON it may not.
    if (!this.identity && text !== '' && !(isForm && form) && !/^application\/[\w.+-]*json/.test(type))
      throw new HubError(415, 'Expected a body of type application/json without a token');
    const raw = isForm && form ? parseForm(text) : parseJson(text);
    const parsed = schema.safeParse(raw);
    if (!parsed.success) throw badRequest(`Expected another body: ${z.prettifyError(parsed.error)}`);
    return parsed.data;
  }
}

function parseJson(text: string): unknown {
  if (text.trim() === '') return {};
  try {
    return JSON.parse(text);
  } catch {
    throw badRequest('Expected a JSON body, got something else');
  }
}

function parseForm(text: string): Record<string, string | string[]> {
  const form: Record<string, string | string[]> = {};
  const fields = new URLSearchParams(text);
  for (const key of new Set(fields.keys())) {
    const all = fields.getAll(key);
    Object.defineProperty(form, key, { value: all.length === 1 ? all[0] : all, enumerable: true });
  }
  return form;
}

function parseTarget(target: string): URL {
  try {
    const slash = target.startsWith('/') ? target.replace(/^\/+/, '/') : '/';
    const query = slash.indexOf('?');
    const url = new URL('http://hub.invalid/');
    url.search = query < 0 ? '' : slash.slice(query);
    // The path is kept as sent: URL would resolve `..` before anybody can refuse it.
    Object.defineProperty(url, 'pathname', { value: query < 0 ? slash : slash.slice(0, query) });
    return url;
  } catch {
    throw badRequest('Expected a request target that is a path');
  }
}

function splitPath(pathname: string): string[] {
  return pathname
    .slice(1)
    .split('/')
    .map((segment) => {
      try {
        return decodeURIComponent(segment);
      } catch {
        throw badRequest(
          `Expected percent-encoded UTF-8 in the path, got ${JSON.stringify(segment.slice(0, 100))}`,
        );
      }
    });
}
