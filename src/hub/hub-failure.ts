import { types } from 'node:util';
import { PipelineError } from '../domain/errors.ts';
import { visibleText } from '../domain/visible-text.ts';
import { HubConflict } from './errors.ts';

/** One request to the Hub that failed, before it is translated for the rest of the project. */
export class HubFailure extends Error {
  /** HTTP status; null: no whole answer came (network, time-out). */
  readonly status: number | null;
  /** `X-Error-Code`, such as `EntryNotFound`. */
  readonly code: string | null;
  /** Method and URL without its query, which may hold a signature. */
  readonly where: string;
  /** The same request may succeed later. */
  readonly transient: boolean;
  /** How long the Hub asks to wait; null: it does not say. */
  readonly retryAfterMs: number | null;

  constructor(p: {
    status: number | null;
    code?: string | null;
    where: string;
    reason: string;
    retryAfterMs?: number | null;
  }) {
    super(visibleText(p.reason));
    this.name = 'HubFailure';
    this.status = p.status;
    this.code = p.code ?? null;
    this.where = p.where;
    this.retryAfterMs = p.retryAfterMs ?? null;
    this.transient = p.status === null || p.status === 408 || p.status === 429 || p.status >= 500;
  }
}

/** `GET https://hub/api/…` for messages: no query, no fragment. */
export function describeRequest(method: string, url: string): string {
  const parsed = URL.canParse(url) ? new URL(url) : null;
  return `${method} ${parsed === null ? url : `${parsed.origin}${parsed.pathname}`}`;
}

/** What a failed answer says, in the words of its JSON body or `X-Error-Message`. */
export async function failureOf(method: string, response: Response, url: string): Promise<HubFailure> {
  const text = await response.text().catch(() => '');
  return new HubFailure({
    status: response.status,
    code: response.headers.get('x-error-code'),
    where: describeRequest(method, url),
    reason: response.headers.get('x-error-message') ?? errorText(text) ?? response.statusText,
    retryAfterMs: waitAsked(response.headers),
  });
}

/** Errors of Node itself are no `instanceof Error` of another realm, such as a test's. */
export function isError(value: unknown): value is Error {
  return value instanceof Error || types.isNativeError(value);
}

function errorText(body: string): string | null {
  try {
    const parsed: unknown = JSON.parse(body);
    if (typeof parsed === 'object' && parsed !== null && 'error' in parsed) return String(parsed.error);
  } catch {
    // Not JSON: the text itself is the best there is.
  }
  return body === '' ? null : body.slice(0, 300);
}

/** Milliseconds that `Retry-After` (seconds or a date) or `RateLimit: "api";r=0;t=55` ask for; null: neither. */
export function waitAsked(headers: Headers): number | null {
  const after = headers.get('retry-after');
  if (after !== null && /^\d+(\.\d+)?$/.test(after)) return Number(after) * 1000;
  if (after !== null && !Number.isNaN(Date.parse(after))) return Math.max(0, Date.parse(after) - Date.now());
  const limit = headers.get('ratelimit');
  const remaining = limit?.match(/(?:^|;)\s*r=(\d+)/)?.[1];
  const reset = limit?.match(/(?:^|;)\s*t=(\d+)/)?.[1];
  return remaining === '0' && reset !== undefined ? Number(reset) * 1000 : null;
}

/** Where a Hub's people make tokens. */
function settingsOf(request: string): string {
  const url = request.split(' ').at(-1) ?? '';
  return URL.canParse(url) ? `${new URL(url).origin}/settings/tokens` : 'settings/tokens';
}

/** Translates anything thrown on the way to the Hub; the token is cut out of every text. */
export function toPipelineError(error: unknown, doing: string, accessToken: string): unknown {
  if (error instanceof PipelineError || error instanceof HubConflict) return error;
  const clean = (text: string) =>
    accessToken === ''
      ? text
      : text.replaceAll(accessToken, '<token>').replaceAll(encodeURIComponent(accessToken), '<token>');
  const raw = isError(error) ? error : new Error(String(error));
  const cause = new Error(clean(`${raw.name}: ${raw.message}`));
  if (!(raw instanceof HubFailure)) {
    return new PipelineError('Internal', clean(`expected to ${doing}, got ${raw.name}: ${raw.message}`), {
      cause,
    });
  }
  const details = { status: raw.status, code: raw.code, request: clean(raw.where) };
  const got = clean(
    `${raw.status === null ? 'no answer' : `HTTP ${raw.status}`}: ${raw.message} (${raw.where})`,
  );
  if (raw.transient || raw.status === 409 || raw.status === 412) {
    return new PipelineError(
      'HubUnavailable',
      `expected to ${doing}, got ${got}. It was tried several times: check the Hub's status and the network`,
      { cause, details },
    );
  }
  const advice =
    raw.status === 401 || raw.status === 403
      ? `Check that HF_TOKEN is valid (${settingsOf(raw.where)} makes a new one, "plein-air doctor" tries it), may write here, and has accepted the terms of a gated repository`
      : raw.status === 404
        ? 'Check the name, and that the token may see the repository'
        : 'The request itself was refused: a retry cannot help';
  return new PipelineError('HubRefused', `expected to ${doing}, got ${got}. ${advice}`, { cause, details });
}
