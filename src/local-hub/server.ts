import { createServer, type RequestListener, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { resolve } from 'node:path';
import { isLoopback } from '../wire/loopback.ts';
import { Cards } from './cards/cards.ts';
import { askerOf } from './http/access.ts';
import { BufferBudget } from './http/buffer-budget.ts';
import { Capabilities } from './http/capabilities.ts';
import { HubError, toHubError } from './http/errors.ts';
import { Exchange, type ServerAddress } from './http/exchange.ts';
import { requireLoopbackName } from './http/loopback.ts';
import { refuseOtherSites } from './http/origin.ts';
import { DEFAULT_PATIENCE, drain, limitConnections, type Patience } from './http/patience.ts';
import { type RateLimit, RateLimiter } from './http/rate-limit.ts';
import { DEFAULT_TOKEN, type HubToken, TokenBook } from './http/tokens.ts';
import type { Hub } from './hub.ts';
import { JobRunner, type RunJobs } from './jobs/job-runner.ts';
import { route } from './router.ts';
import { type RunSpaces, SpaceRunner } from './spaces/space-runner.ts';
import { BlobStore } from './store/blobs.ts';
import { lockFolder } from './store/process-lock.ts';
import { RepoCollection } from './store/repos.ts';
import { sweepExpiredUploads, sweepTemporary } from './store/temporary.ts';
import { selfSigned, type TlsIdentity, type TrustFiles, trustFiles } from './tls/self-signed.ts';
import { XetSessions } from './xet/sessions.ts';

/** How often pieces of uploads that nobody can complete any more are looked for. */
const SWEEP_MS = 600_000;

/** How to serve a Hub from a folder. `port` 0 takes a free one; `tokens` defaults to the one local token. */
export interface LocalHubOptions {
  readonly root: string;
  readonly host?: string;
  readonly port?: number;
  readonly tokens?: readonly HubToken[];
  readonly rateLimit?: RateLimit;
  /** Shortens waits in tests. */
  readonly patience?: Partial<Patience>;
  /** Speaks HTTPS with this certificate and key in PEM, or with ones that the Hub makes and an authority in its folder signs. */
  readonly tls?: TlsIdentity | 'self-signed';
  /** Runs Spaces' apps as processes of this machine; leave it out where you do not trust them. */
  readonly runSpaces?: RunSpaces;
  /** Runs jobs as processes of this machine; leave it out where you do not trust who may write. */
  readonly runJobs?: RunJobs;
}

/** A Hub that serves. */
export interface LocalHub {
  readonly url: string;
  readonly port: number;
  /** Files that clients have to trust; absent for plain HTTP and for a certificate that was given. */
  readonly trust?: TrustFiles;
  close(): Promise<void>;
}

/** Opens (or creates) the folder, takes its lock and serves it. */
export async function startLocalHub(options: LocalHubOptions): Promise<LocalHub> {
  const host = options.host ?? '127.0.0.1';
  const tokens = options.tokens ?? [];
  const known = tokens.some(({ token }) => token === DEFAULT_TOKEN.token);
  if (!isLoopback(host) && (tokens.length === 0 || known)) {
    throw new Error(
      `Expected a token of your own to serve on ${host}, got ${known ? 'the one that everybody knows' : 'none'}: the default token is for loopback only. Give one with --token`,
    );
  }
  const root = resolve(options.root);
  const unlock = await lockFolder(root);
  try {
    const hub = await openHub(root, options);
    const tls = options.tls === 'self-signed' ? await selfSigned(root, host) : options.tls;
    const server = serve(hub, {
      rateLimit: options.rateLimit,
      loopback: isLoopback(host),
      tls,
      patience: { ...DEFAULT_PATIENCE, ...options.patience },
    });
    await listen(server, options.port ?? 0, host);
    const { port } = server.address() as AddressInfo;
    const scheme = tls === undefined ? 'http' : 'https';
    const url = `${scheme}://${host.includes(':') ? `[${host}]` : host}:${port}`;
    const sweeping = setInterval(() => sweepExpiredUploads(root).catch(() => undefined), SWEEP_MS).unref();
    const trust = options.tls === 'self-signed' ? { trust: trustFiles(root) } : {};
    hub.spaces?.open({ url: `${scheme}://127.0.0.1:${port}`, ...trust }, await hub.repos.list('space'));
    return {
      url,
      port,
      ...trust,
      close: async () => {
        clearInterval(sweeping);
        await closeServer(server);
        await hub.spaces?.close();
        await hub.jobs?.close();
        await hub.cards.close();
        await unlock();
      },
    };
  } catch (error) {
    await unlock();
    throw error;
  }
}

async function openHub(root: string, { tokens, runSpaces, runJobs }: LocalHubOptions): Promise<Hub> {
  await sweepTemporary(root);
  const blobs = new BlobStore(root);
  const cards = new Cards(blobs);
  return {
    root,
    blobs,
    cards,
    xet: new XetSessions(root),
    repos: new RepoCollection(root),
    tokens: new TokenBook(tokens ?? [DEFAULT_TOKEN]),
    capabilities: await Capabilities.open(root),
    spaces: runSpaces && new SpaceRunner(runSpaces, { root, blobs, cards }),
    jobs: runJobs && new JobRunner(runJobs),
  };
}

function serve(
  hub: Hub,
  {
    rateLimit,
    loopback,
    tls,
    patience,
  }: {
    rateLimit: RateLimit | undefined;
    loopback: boolean;
    tls: TlsIdentity | undefined;
    patience: Patience;
  },
): Server {
  const limiter = rateLimit && new RateLimiter(rateLimit);
  const own: ServerAddress = { scheme: tls === undefined ? 'http' : 'https', host: '127.0.0.1' };
  const buffered = new BufferBudget();
  const listener: RequestListener = (request, response) => {
    const answer = async (): Promise<void> => {
      let exchange: Exchange | undefined;
      try {
        exchange = new Exchange(request, response, own, buffered);
        if (loopback) requireLoopbackName(request.headers.host);
        refuseOtherSites(request);
        if (limiter && exchange.segments[0] === 'api') takeRequest(limiter, askerOf(hub, exchange), exchange);
        await route(hub, exchange);
      } catch (error) {
        const failure = toHubError(error);
        if (failure.status === 500 && !response.headersSent && !request.destroyed) console.error(error);
        if (exchange) exchange.fail(failure);
        // No more than the HTTP parser says to what it cannot read: clients must not take it for a word about their request.
        else response.writeHead(failure.status, { Connection: 'close' }).end();
      } finally {
        if (!request.complete) drain(request);
      }
    };
    void answer();
  };
  const settings = { requestTimeout: 0, keepAliveTimeout: 30_000, connectionsCheckingInterval: 1000 };
  const server =
    tls === undefined
      ? createServer(settings, listener)
      : createTlsServer(
          { ...settings, ...tls, minVersion: 'TLSv1.2', handshakeTimeout: patience.headMs },
          listener,
        );
  limitConnections(server, patience);
  server.on('listening', () => {
    own.host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  server.on('clientError', (_error, socket) => {
    if (socket.writable) socket.end('HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n');
  });
  return server;
}

/** Counts an API request and says, in the real Hub's headers, how many are left. */
function takeRequest(limiter: RateLimiter, asker: string, exchange: Exchange): void {
  const { allowed, left, seconds } = limiter.take(asker);
  exchange.response.setHeader('RateLimit-Policy', limiter.policy);
  exchange.response.setHeader('RateLimit', `"api";r=${left};t=${seconds}`);
  if (allowed) return;
  exchange.response.setHeader('Retry-After', String(seconds));
  throw new HubError(429, `Too many requests: there are more in ${seconds} seconds`);
}

function listen(server: Server, port: number, host: string): Promise<void> {
  return new Promise((done, failed) => {
    server.once('error', failed);
    server.listen(port, host, () => {
      server.off('error', failed);
      done();
    });
  });
}

function closeServer(server: Server): Promise<void> {
  return new Promise((done) => {
    server.close(() => done());
    server.closeAllConnections();
  });
}
