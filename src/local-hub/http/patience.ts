import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** How long a client may keep a connection without doing anything with it, in ms, and how many connections there are. */
export interface Patience {
  /** Until the head of a request is there. */
  readonly headMs: number;
  /** Between two pieces of a body that is sent, or of an answer that is taken. */
  readonly idleMs: number;
  readonly connections: number;
}

export const DEFAULT_PATIENCE: Patience = { headMs: 15_000, idleMs: 60_000, connections: 1000 };

/** Most bytes of a refused body that are read to their end, so that its sender hears the refusal. */
const MAX_DRAINED = 64 * 1024 * 1024;

/**
 * Ends connections on which the client is awaited in vain: for a head, for the next piece of a body, for taking an answer.
 * The time in between is the server's own: hashing a large file takes as long as it takes.
 */
export function limitConnections(server: Server, { headMs, idleMs, connections }: Patience): void {
  server.headersTimeout = headMs;
  server.maxConnections = connections;
  const exchanges = new WeakMap<Socket, { request: IncomingMessage; response: ServerResponse }>();
  server.prependListener('request', (request: IncomingMessage, response: ServerResponse) =>
    exchanges.set(request.socket, { request, response }),
  );
  server.setTimeout(idleMs, (socket) => {
    const now = exchanges.get(socket);
    const isOurTurn =
      now?.request.complete === true && !now.response.writableFinished && socket.writableLength === 0;
    if (isOurTurn) socket.setTimeout(idleMs);
    else socket.destroy();
  });
}

/** Reads what is left of a body that was refused; a very long one ends the connection instead. */
export function drain(request: IncomingMessage): void {
  let left = MAX_DRAINED;
  request.on('data', (chunk: Buffer) => {
    left -= chunk.length;
    if (left < 0) request.destroy();
  });
  request.resume();
}
