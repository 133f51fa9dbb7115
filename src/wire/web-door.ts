import {
  createServer,
  request as forward,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo } from 'node:net';
import { isLoopback } from './loopback.ts';
import { strangeRequest } from './own-page.ts';

/** A door before a web service that answers anybody. */
export interface WebDoor {
  readonly url: string;
  close(): Promise<void>;
}

/**
 * Passes on to a web service what this machine's own browser asks under this machine's own name.
 */
export async function openWebDoor(p: { to: string; host?: string; port: number }): Promise<WebDoor> {
  const { host = '127.0.0.1', port } = p;
  const to = new URL(p.to);
  const server = createServer({ headersTimeout: 15_000 }, (request, response) => {
    const why = strangeRequest(request, LOOPBACK);
    if (why === null) pass(request, response, to);
    else response.writeHead(403, { 'content-type': 'text/plain' }).end(`${why}\n`);
  });
  await listen(server, port, host);
  return {
    url: `http://${host}:${(server.address() as AddressInfo).port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

const LOOPBACK = { scheme: 'http', isOwnHost: isLoopback, names: 'localhost or 127.0.0.1' } as const;

function pass(request: IncomingMessage, response: ServerResponse, to: URL): void {
  const { hostname, port } = to;
  const on = forward({ hostname, port, method: request.method, path: request.url, headers: request.headers });
  on.on('response', (answer) => {
    response.writeHead(answer.statusCode ?? 502, { ...answer.headers, 'x-frame-options': 'DENY' });
    answer.pipe(response);
  });
  on.on('error', () => {
    if (response.headersSent) response.destroy();
    else response.writeHead(502).end();
  });
  response.on('close', () => on.destroy());
  request.pipe(on);
}

function listen(server: Server, port: number, host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject).listen(port, host, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

/**
 * An address of loopback that nobody guesses, for a service behind a door: every one of 127.0.0.0/8 is this machine where the
 * system is Linux. Elsewhere it is 127.0.0.1, where only the port is unknown.
 */
export function hiddenAddress(platform = process.platform): string {
  if (platform !== 'linux') return '127.0.0.1';
  const byte = (): number => 2 + Math.floor(Math.random() * 250);
  return `127.${byte()}.${byte()}.${byte()}`;
}
