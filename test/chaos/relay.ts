import { connect, createServer, type Server, type Socket } from 'node:net';

/** How a proxy treats what passes through it. */
export type Weather =
  | { kind: 'clear' }
  /** Every chunk is held back for so long. */
  | { kind: 'slow'; ms: number }
  /** Connections are cut, and new ones refused. */
  | { kind: 'cut' }
  /** One byte in so many is changed. */
  | { kind: 'corrupt'; every: number };

/** A TCP proxy on loopback between two processes of ours, whose weather a test changes. */
export interface Relay {
  readonly port: number;
  weather: Weather;
  close(): Promise<void>;
}

/** Listens at `port` (0: any) and passes everything on to `target` on loopback. */
export async function startRelay(target: number, port = 0): Promise<Relay> {
  const pairs = new Set<[Socket, Socket]>();
  let weather: Weather = { kind: 'clear' };
  let passed = 0;
  const server = createServer((near) => {
    if (weather.kind === 'cut') return void near.destroy();
    const far = connect(target, '127.0.0.1');
    const pair: [Socket, Socket] = [near, far];
    pairs.add(pair);
    const end = () => {
      pairs.delete(pair);
      near.destroy();
      far.destroy();
    };
    near.on('error', end).on('close', end);
    far.on('error', end).on('close', end);
    const pass = (from: Socket, to: Socket) =>
      from.on('data', (chunk) => {
        const treated = treat(Buffer.from(chunk));
        if (weather.kind !== 'slow') return void to.write(treated);
        from.pause();
        setTimeout(() => {
          to.write(treated);
          from.resume();
        }, weather.ms);
      });
    pass(near, far);
    pass(far, near);
  });
  const treat = (chunk: Buffer): Buffer => {
    if (weather.kind !== 'corrupt') return chunk;
    for (let i = 0; i < chunk.length; i++) {
      passed += 1;
      if (passed % weather.every === 0) chunk.writeUInt8(chunk.readUInt8(i) ^ 0xff, i);
    }
    return chunk;
  };
  await listen(server, port);
  const address = server.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : port,
    get weather() {
      return weather;
    },
    set weather(next: Weather) {
      weather = next;
      if (next.kind === 'cut') for (const [near] of pairs) near.destroy();
    },
    async close() {
      for (const [near] of pairs) near.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function listen(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject).listen(port, '127.0.0.1', resolve);
  });
}
