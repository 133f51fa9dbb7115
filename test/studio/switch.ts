import type { AddressInfo } from 'node:net';
import { connect, createServer, type Socket } from 'node:net';

/** A way to a TCP server that can be cut, as if the server had been killed, and joined again under the same address. */
export interface Switch {
  readonly port: number;
  cut(): Promise<void>;
  join(): Promise<void>;
  close(): Promise<void>;
}

/** Opens a way to `127.0.0.1:port`. */
export async function openSwitch(to: number): Promise<Switch> {
  const sockets = new Set<Socket>();
  const server = createServer((from) => {
    const onward = connect(to, '127.0.0.1');
    for (const [one, other] of [
      [from, onward],
      [onward, from],
    ] as const) {
      sockets.add(one);
      one
        .on('error', () => other.destroy())
        .on('close', () => {
          sockets.delete(one);
          other.destroy();
        });
      one.pipe(other);
    }
  });
  const listen = (port: number) =>
    new Promise<void>((resolve, reject) => {
      server.once('error', reject).listen(port, '127.0.0.1', () => resolve());
    });
  await listen(0);
  const { port } = server.address() as AddressInfo;
  const cut = () =>
    new Promise<void>((resolve) => {
      if (!server.listening) return resolve();
      server.close(() => resolve());
      for (const socket of sockets) socket.destroy();
    });
  return { port, cut, join: () => listen(port), close: cut };
}
