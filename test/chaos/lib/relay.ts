import { connect, createServer, type Server, type Socket } from 'node:net';

/** How a proxy treats what passes through it. */
export type Weather =
  | { kind: 'clear' }
  /** Every chunk is held back for so long. */
  | { kind: 'slow'; ms: number }
  /** Connections are cut, and new ones refused. */
  | { kind: 'cut' }
  /** One byte in so many is changed. */
  | { kind: 'corrupt'; every: number }
  /** One byte is changed, so many bytes from now in one direction; then it is clear. */
  | { kind: 'one'; way: 'there' | 'back'; at: number; mask: number };

/** A TCP proxy on loopback between two processes of ours, whose weather a test changes. */
export interface Relay {
  readonly port: number;
  weather: Weather;
  /** Bytes that have passed each way. */
  readonly passed: { there: number; back: number };
  close(): Promise<void>;
}

/** Listens at `port` (0: any) and passes everything on to `target` on loopback. */
export async function startRelay(target: number, port = 0): Promise<Relay> {
  const pairs = new Set<[Socket, Socket]>();
  let weather: Weather = { kind: 'clear' };
  let counted = 0;
  const passed = { there: 0, back: 0 };
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
    const pass = (from: Socket, to: Socket, way: 'there' | 'back') =>
      from.on('data', (chunk) => {
        const treated = treat(Buffer.from(chunk), way);
        passed[way] += chunk.length;
        if (weather.kind !== 'slow') return void to.write(treated);
        from.pause();
        setTimeout(() => {
          to.write(treated);
          from.resume();
        }, weather.ms);
      });
    pass(near, far, 'there');
    pass(far, near, 'back');
  });
  const treat = (chunk: Buffer, way: 'there' | 'back'): Buffer => {
    if (weather.kind === 'one' && weather.way === way) {
      const { at, mask } = weather;
      if (at < chunk.length) chunk.writeUInt8(chunk.readUInt8(at) ^ mask, at);
      weather = at < chunk.length ? { kind: 'clear' } : { ...weather, at: at - chunk.length };
    }
    if (weather.kind !== 'corrupt') return chunk;
    for (let i = 0; i < chunk.length; i++) {
      counted += 1;
      if (counted % weather.every === 0) chunk.writeUInt8(chunk.readUInt8(i) ^ 0xff, i);
    }
    return chunk;
  };
  await listen(server, port);
  const address = server.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : port,
    passed,
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
