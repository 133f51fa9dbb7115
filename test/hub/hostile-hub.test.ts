import { mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, expect, it } from '@jest/globals';
import { CommitSha, RepoId, type RepoRef } from '../../src/domain/refs.ts';
import { connectHub } from '../../src/hub/client.ts';
import type { Hub } from '../../src/hub/hub.ts';

const TOKEN = 'hf_secret';
const COMMIT = CommitSha.parse('c'.repeat(40));
const repo: RepoRef = { type: 'model', repo: RepoId.parse('evil/model') };
type Answer = (request: IncomingMessage, response: ServerResponse) => void;
let evil: Server;
let other: Server;
let answer: Answer;
let hub: Hub;
let folder: string;
const heard: (string | undefined)[] = [];

const listen = async (server: Server): Promise<string> => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
};
let otherUrl: string;

beforeAll(async () => {
  evil = createServer((request, response) => answer(request, response));
  other = createServer((request, response) => {
    heard.push(request.headers.authorization);
    response.end('[]');
  });
  otherUrl = await listen(other);
  const patience = {
    attempts: 2,
    firstDelayMs: 1,
    longestDelayMs: 2,
    timeoutMs: 20_000,
    idleTimeoutMs: 2000,
  };
  hub = connectHub({ endpoint: await listen(evil), accessToken: TOKEN, patience });
  folder = await mkdtemp(join(tmpdir(), 'hostile-hub-'));
});
afterEach(() => {
  evil.closeAllConnections();
});
afterAll(async () => {
  for (const server of [evil, other]) {
    server.closeAllConnections();
    server.close();
  }
  await rm(folder, { recursive: true, force: true });
});

const listing = (...paths: string[]): string =>
  JSON.stringify(paths.map((path) => ({ type: 'file', path, size: 5, oid: 'a'.repeat(40) })));
const download = (): Promise<unknown> => hub.download({ repo, commit: COMMIT, toFolder: folder });

it('a file that is longer than its listing is cut there, and never fills the disk', async () => {
  let sent = 0;
  answer = (request, response) => {
    if (request.url?.includes('/tree/')) return void response.end(listing('five.bin'));
    const more = (): void => {
      sent += 1 << 16;
      if (sent < 1 << 30 && !response.destroyed)
        response.write(Buffer.alloc(1 << 16), () => setImmediate(more));
    };
    more();
  };
  await expect(download()).rejects.toMatchObject({ kind: 'Corrupt' });
  for (const name of await readdir(folder))
    expect((await stat(join(folder, name))).size).toBeLessThanOrEqual(5);
  expect(sent).toBeLessThan(64 << 20);
});

it('an answer that unpacks to more than can be meant is refused on the way', async () => {
  const bomb = gzipSync(Buffer.alloc(200 << 20));
  answer = (_request, response) => {
    response.setHeader('content-encoding', 'gzip');
    response.end(bomb);
  };
  const before = process.memoryUsage().rss;
  await expect(hub.read(repo, 'main', 'model_index.json')).rejects.toMatchObject({ kind: 'Corrupt' });
  expect(process.memoryUsage().rss - before).toBeLessThan(400 << 20);
});

it('a range is no longer than was asked for', async () => {
  answer = (_request, response) => response.writeHead(206).end(Buffer.alloc(1000));
  await expect(hub.readRange(repo, 'main', 'a.parquet', 0, 10)).rejects.toMatchObject({ kind: 'Corrupt' });
  answer = (_request, response) => response.writeHead(200).end(Buffer.from('0123456789'));
  expect((await hub.readRange(repo, 'main', 'a.parquet', 2, 5)).toString()).toBe('234');
});

it('a next page at another address is asked without the token', async () => {
  answer = (_request, response) => {
    response.setHeader('link', `<${otherUrl}/next>; rel="next"`);
    response.end(listing('a'));
  };
  await hub.list(repo, 'main');
  expect(heard).toEqual([undefined]);
});

it.each([[['a', 'a/b']], [['x'.repeat(300)]], [[`${'d/'.repeat(600)}a`]], [['../a']], [['a//b']]])(
  'a listing of %j is refused before anything is written',
  async (paths) => {
    answer = (_request, response) => void response.end(listing(...paths));
    await expect(download()).rejects.toMatchObject({ kind: 'Corrupt' });
  },
);

it('words of a failure that would act on a terminal are spelled out', async () => {
  answer = (_request, response) =>
    response.writeHead(400).end(JSON.stringify({ error: '\u001b]0;owned\u0007\u001b[2J\nHubRefused: fake' }));
  await expect(hub.read(repo, 'main', 'a')).rejects.toThrow('\\u001b]0;owned\\u0007\\u001b[2J');
});
