import { createServer } from 'node:net';

/** Where the kernel begins to choose ports for outgoing connections and for servers that ask for any (Linux's default). */
const EPHEMERAL = 32_768;
const LOWEST = 10_000;

/**
 * A TCP port on loopback that was free a moment ago, and that nobody is given in the meantime who did not ask for that very one.
 * It fits a signed 16-bit number, in which Temporal keeps its members' ports on PostgreSQL.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = LOWEST + Math.floor(Math.random() * (EPHEMERAL - LOWEST));
    const free = await new Promise<boolean>((resolve) => {
      const server = createServer()
        .once('error', () => resolve(false))
        .listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
    });
    if (free) return port;
  }
}
