import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { createRepo, uploadFile } from '@huggingface/hub';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type HubInTest, startHubInTest, TOKEN } from './hub-in-test.ts';

let hub: HubInTest;
const repo = 'plein-air/slow';
const sockets: Socket[] = [];

beforeAll(async () => {
  hub = await startHubInTest({ patience: { headMs: 400, idleMs: 400, connections: 40 } });
  const options = { hubUrl: hub.url, accessToken: TOKEN, repo };
  await createRepo(options);
  const content = new Blob([new Uint8Array(48 * 1024 * 1024)]);
  await uploadFile({ ...options, file: { path: 'large.bin', content } });
});
afterAll(async () => {
  for (const socket of sockets) socket.destroy();
  await hub.stop();
});

/** Opens a connection, sends a text and says no more; what comes back is read unless `deaf`. */
function say(text: string, { deaf = false } = {}): Socket {
  const socket = connect(hub.port, '127.0.0.1').on('error', () => undefined);
  if (deaf) socket.pause();
  else socket.resume();
  socket.write(text);
  sockets.push(socket);
  return socket;
}

const closed = (socket: Socket): Promise<void> =>
  new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error('still open')), 8000);
    socket.once('close', () => {
      clearTimeout(timer);
      resolve();
    });
  });
const auth = `Host: localhost\r\nAuthorization: Bearer ${TOKEN}\r\n`;

describe('a client that is awaited in vain', () => {
  it.each([
    ['for its first byte', ''],
    ['in the middle of a head', 'GET / HTTP/1.1\r\nHost: local'],
    [
      'in the middle of a commit',
      `POST /api/models/${repo}/commit/main HTTP/1.1\r\n${auth}Content-Length: 500\r\n\r\n{"key":`,
    ],
    [
      'in the middle of a body',
      `POST /api/validate-yaml HTTP/1.1\r\n${auth}Content-Type: application/json\r\nContent-Length: 500\r\n\r\n{`,
    ],
  ])(
    '%s is let go',
    async (_, text) => {
      await closed(say(text));
    },
    60_000,
  );

  it('to take a download is let go', async () => {
    const socket = say(`GET /${repo}/resolve/main/large.bin HTTP/1.1\r\n${auth}\r\n`, { deaf: true });
    await sleep(3000);
    let received = 0;
    socket.on('data', (chunk) => {
      received += chunk.length;
    });
    socket.resume();
    await closed(socket);
    expect(received).toBeLessThan(48 * 1024 * 1024);
  });

  it('is not one whose download goes on, however long it takes', async () => {
    const answer = await fetch(`${hub.url}/${repo}/resolve/main/large.bin`);
    let received = 0;
    for await (const chunk of answer.body as unknown as AsyncIterable<Uint8Array>) {
      received += chunk.length;
      if (received % (1 << 20) < chunk.length) await sleep(20);
    }
    expect(received).toBe(48 * 1024 * 1024);
  });
});

it('more connections than the limit are turned away, and the next is served when they have gone', async () => {
  const many = Array.from({ length: 60 }, () => say('GET / HTTP/1.1\r\nHost: local'));
  await Promise.all(many.map(closed));
  expect((await fetch(`${hub.url}/api/models`)).status).toBe(200);
});

it('a body longer than it may be is refused before it has come', async () => {
  const socket = connect(hub.port, '127.0.0.1');
  sockets.push(socket);
  socket.write(
    'POST /api/validate-yaml HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 90000\r\n\r\n{',
  );
  const [answer] = (await once(socket, 'data')) as [Buffer];
  expect(answer.toString()).toMatch(/^HTTP\/1.1 413 /);
});
