import { readFileSync } from 'node:fs';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { serve } from '@hono/node-server';
import { PipelineError } from '../domain/errors.ts';
import { isLoopback } from '../wire/loopback.ts';
import type { PublicName } from './access/guard.ts';
import { Links } from './access/links.ts';
import { createStudio } from './app.ts';
import type { Sources } from './live/source.ts';

export interface StudioOptions {
  host: string;
  /** 0: any. */
  port: number;
  /** File of the links that were given out. */
  linksFile: string;
  /** PEM files; beyond loopback there must be both. */
  tls: { cert: string; key: string } | null;
  /** Name under which browsers reach it; null: loopback's. */
  publicName: string | null;
}

export interface RunningStudio {
  url: string;
  close(): Promise<void>;
}

/** Serves Studio; beyond loopback only over TLS and under a name of its own. */
export async function startStudio(sources: Sources, options: StudioOptions): Promise<RunningStudio> {
  const name = publicNameOf(options);
  const app = createStudio({ sources, links: new Links(options.linksFile), name });
  const { host, tls } = options;
  const server = await new Promise<ReturnType<typeof serve>>((resolve, reject) => {
    const started = serve(
      {
        ...{ fetch: app.fetch, hostname: host, port: options.port },
        ...(tls === null
          ? { serverOptions: { headersTimeout: 15_000 } }
          : {
              createServer: createTlsServer,
              serverOptions: {
                cert: readFileSync(tls.cert),
                key: readFileSync(tls.key),
                headersTimeout: 15_000,
              },
            }),
      },
      () => resolve(started),
    );
    started.once('error', reject);
  });
  const { port } = server.address() as AddressInfo;
  const shownHost = options.publicName ?? (host.includes(':') ? `[${host}]` : host);
  return {
    url: `${name.scheme}://${shownHost}:${port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        // Streams stay open for hours: nobody waits for them.
        if ('closeAllConnections' in server) server.closeAllConnections();
      }),
  };
}

function publicNameOf({ host, tls, publicName }: StudioOptions): PublicName {
  const scheme = tls === null ? 'http' : 'https';
  if (isLoopback(host) && publicName === null)
    return { scheme, isOwnHost: isLoopback, names: 'localhost or 127.0.0.1' };
  if (tls === null)
    throw new PipelineError(
      'InvalidInput',
      `expected --tls-cert and --tls-key to serve on ${host} for other machines, got none: whoever is on the way would read every link`,
    );
  if (publicName === null)
    throw new PipelineError(
      'InvalidInput',
      `expected --public-name with the name that browsers use for ${host}, got none: without it any name is as good as another`,
    );
  const own = publicName.toLowerCase();
  return { scheme, isOwnHost: (asked) => asked.toLowerCase() === own, names: own };
}
