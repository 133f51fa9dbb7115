import { setTimeout as sleep } from 'node:timers/promises';
import { PipelineError } from '../domain/errors.ts';
import { describeRequest, failureOf, HubFailure, isError } from './hub-failure.ts';

/** How long requests are waited for and how often they are repeated. */
export interface Patience {
  /** Tries of one request, the first included. */
  attempts: number;
  /** Wait before the second try; doubles from try to try, with jitter. */
  firstDelayMs: number;
  longestDelayMs: number;
  /** Longest wait that a 429 may impose on one try. */
  longestRateLimitMs: number;
  /** Time for a small request; uploads get more by their size. */
  timeoutMs: number;
  /** Longest silence in the middle of a download. */
  idleTimeoutMs: number;
}

export const DEFAULT_PATIENCE: Patience = {
  attempts: 6,
  firstDelayMs: 500,
  longestDelayMs: 20_000,
  longestRateLimitMs: 310_000,
  timeoutMs: 60_000,
  idleTimeoutMs: 30_000,
};

/** Slowest line that is still worth waiting for, in bytes a millisecond. */
const SLOWEST_UPLOAD = 50;

/** Repeats a task while it fails with a transient `HubFailure`; `restart` is called when a try got further. */
export async function retrying<T>(
  patience: Patience,
  signal: AbortSignal | undefined,
  task: (restart: () => void) => Promise<T>,
): Promise<T> {
  let tried = 0;
  for (;;) {
    signal?.throwIfAborted();
    try {
      return await task(() => {
        tried = 0;
      });
    } catch (error) {
      signal?.throwIfAborted();
      tried += 1;
      if (!(error instanceof HubFailure) || !error.transient || tried >= patience.attempts) throw error;
      await pause(patience, tried, error, signal);
    }
  }
}

/** Waits as long as the Hub asks for, else an exponential, jittered delay. */
export async function pause(
  patience: Patience,
  tried: number,
  error: HubFailure | null,
  signal?: AbortSignal,
): Promise<void> {
  const backOff = Math.min(patience.longestDelayMs, patience.firstDelayMs * 2 ** (tried - 1));
  const asked = Math.min(error?.retryAfterMs ?? 0, patience.longestRateLimitMs);
  await sleep(Math.max(asked, backOff * (0.5 + Math.random() / 2)), undefined, signal ? { signal } : {});
}

/** The ways in which this project talks HTTP to a Hub. */
export interface Transport {
  patience: Patience;
  /** For the official client: whole answers, time-outs, retries; throws `HubFailure` for every answer that is not ok. */
  fetch: typeof fetch;
  /** One try whose answer is streamed: the headers have come and are ok; the bytes are the caller's to verify. */
  open(url: string, init: RequestInit): Promise<Response>;
}

/**
 * Options under which Node sends a body as it is read. Otherwise fetch keeps a second copy, in case it has to follow a
 * redirect or ask for credentials: the whole file in memory. Storage that a Hub signs addresses for does not redirect.
 */
const STREAMED: RequestInit = { redirect: 'error', window: null };

/** A commit may land although its answer is lost, so only its sender may decide to send it again. */
function mayRepeat(method: string, url: string, failure: HubFailure): boolean {
  if (failure.status === 429) return true;
  return !(method === 'POST' && /\/api\/(?:models|datasets|spaces)\/[^/]+\/[^/]+\/commit\//.test(url));
}

/** Largest answer that is kept in memory; files that may be larger are streamed to disk. */
const LARGEST_ANSWER = 128 * 1024 * 1024;

/** The bytes of an answer up to a limit: how long it is, the far side does not decide. A range that was ignored is cut. */
async function bytesOf(
  response: Response,
  init: RequestInit,
  where: string,
): Promise<Uint8Array<ArrayBuffer>> {
  const [, start, end] = /^bytes=(\d+)-(\d+)$/.exec(new Headers(init.headers).get('range') ?? '') ?? [];
  const asked = end === undefined ? null : Number(end) + 1 - (response.status === 206 ? Number(start) : 0);
  const limit = asked ?? LARGEST_ANSWER;
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of (response.body ?? []) as AsyncIterable<Uint8Array>) {
    size += chunk.byteLength;
    chunks.push(chunk);
    if (size > limit) break;
  }
  if (size > limit && (asked === null || response.status === 206))
    throw new PipelineError(
      'Corrupt',
      `expected at most ${limit} bytes of ${where}, got more: nothing of it was used`,
    );
  return new Uint8Array(Buffer.concat(chunks).subarray(0, limit));
}

/** Headers for an address: the token goes to the Hub's own origin only, whatever its answers name as the next page. */
function withoutTokenElsewhere(url: string, init: RequestInit, origin: string | undefined): RequestInit {
  if (origin === undefined || new URL(url).origin === origin) return init;
  const headers = new Headers(init.headers);
  headers.delete('authorization');
  return { ...init, headers };
}

/**
 * Wraps a bare `fetch` with time-outs, limits, retries and errors that tell what happened. With `endpoint` the token of a
 * request is sent to that origin only.
 */
export function createTransport(given: typeof fetch, patience: Patience, endpoint?: string): Transport {
  const origin = endpoint === undefined ? undefined : new URL(endpoint).origin;
  const bare = (url: string, init: RequestInit): Promise<Response> =>
    given(url, withoutTokenElsewhere(url, init, origin));
  const attempt = async (url: string, init: RequestInit, method: string): Promise<Response> => {
    const limit = AbortSignal.timeout(patience.timeoutMs + Math.ceil(sizeOf(init.body) / SLOWEST_UPLOAD));
    const signal = init.signal ? AbortSignal.any([init.signal, limit]) : limit;
    try {
      const response = await bare(url, { ...init, ...(method === 'PUT' ? STREAMED : {}), signal });
      const body = await bytesOf(response, init, describeRequest(method, url));
      const none = method === 'HEAD' || [204, 205, 304].includes(response.status);
      const whole = new Response(none ? null : body, { status: response.status, headers: response.headers });
      Object.defineProperty(whole, 'url', { value: response.url });
      if (!whole.ok) throw await failureOf(method, whole, url);
      return whole;
    } catch (error) {
      throw asFailure(error, method, url, init.signal);
    }
  };
  return {
    patience,
    fetch: async (input, init = {}) => {
      const url = input instanceof Request ? input.url : String(input);
      const method = (init.method ?? 'GET').toUpperCase();
      const caller = init.signal ?? undefined;
      for (let tried = 1; ; tried += 1) {
        caller?.throwIfAborted();
        try {
          return await attempt(url, init, method);
        } catch (error) {
          caller?.throwIfAborted();
          const again = error instanceof HubFailure && error.transient && mayRepeat(method, url, error);
          if (!again || tried >= patience.attempts) throw error;
          await pause(patience, tried, error, caller);
        }
      }
    },
    open: async (url, init) => {
      const method = (init.method ?? 'GET').toUpperCase();
      const limit = new AbortController();
      const timer = setTimeout(() => limit.abort(new Error('no answer in time')), patience.timeoutMs);
      const signal = init.signal ? AbortSignal.any([init.signal, limit.signal]) : limit.signal;
      try {
        const response = await bare(url, { ...init, signal });
        if (!response.ok) throw await failureOf(method, response, url);
        return response;
      } catch (error) {
        throw asFailure(error, method, url, init.signal);
      } finally {
        clearTimeout(timer);
      }
    },
  };
}

/** A network error or time-out as `HubFailure`; an abort by the caller stays what it is. */
export function asFailure(error: unknown, method: string, url: string, caller?: AbortSignal | null): unknown {
  if (error instanceof HubFailure || error instanceof PipelineError || caller?.aborted) return error;
  const reasons: string[] = [];
  for (let at: unknown = error; isError(at) && reasons.length < 4; at = at.cause) {
    const code = 'code' in at && typeof at.code === 'string' ? ` ${at.code}` : '';
    reasons.push(`${at.message}${code}`);
  }
  return new HubFailure({
    status: null,
    where: describeRequest(method, url),
    reason: reasons.join(': ') || String(error),
  });
}

function sizeOf(body: unknown): number {
  if (body instanceof Blob) return body.size;
  if (typeof body === 'string') return body.length;
  return body instanceof ArrayBuffer || ArrayBuffer.isView(body) ? body.byteLength : 0;
}
