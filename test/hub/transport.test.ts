import { once } from 'node:events';
import { openAsBlob } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, it } from '@jest/globals';
import { createTransport, DEFAULT_PATIENCE } from '../../src/hub/transport.ts';

const MEGABYTE = 1 << 20;

it('sends a file as it is read: memory does not grow with its size', async () => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const held = (): number => {
    collect();
    return process.memoryUsage().arrayBuffers;
  };
  const folder = await mkdtemp(join(tmpdir(), 'transport-'));
  let received = 0;
  let most = 0;
  const server = createServer((request, response) => {
    request.on('data', (chunk: Buffer) => {
      received += chunk.length;
    });
    // The sender still has everything that it keeps until it is answered.
    request.on('end', () => {
      most = held();
      response.end();
    });
  });
  try {
    await writeFile(join(folder, 'file'), Buffer.alloc(96 * MEGABYTE, 7));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const before = held();
    const { fetch: send } = createTransport(fetch, DEFAULT_PATIENCE);
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/file`;
    await send(url, { method: 'PUT', body: await openAsBlob(join(folder, 'file')) });
    expect(received).toBe(96 * MEGABYTE);
    expect((most - before) / MEGABYTE).toBeLessThan(24);
  } finally {
    server.close();
    await rm(folder, { recursive: true, force: true });
  }
});
