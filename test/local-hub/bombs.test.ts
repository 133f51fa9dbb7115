import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { availableParallelism, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { TOKEN } from './hub-in-test.ts';

/** Longest that another client may wait while a bomb goes off, on a machine with a processor for each process that computes. */
const MAX_WAIT_MS = 250;
const K = 1024;
let root: string;
let server: ChildProcess;
let url: string;
const headers = { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' };
const post = (path: string, body: unknown, more: Record<string, string> = headers): Promise<Response> =>
  fetch(`${url}${path}`, { method: 'POST', headers: more, body: JSON.stringify(body) });

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'hub-bombs-'));
  server = spawn('node', ['scripts/ts.mjs', 'test/local-hub/serve.ts', root], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const [line] = (await once(server.stdout as NodeJS.ReadableStream, 'data')) as [Buffer];
  url = line.toString().trim();
  await post('/api/repos/create', { name: 'bomb' });
  // The thread that reads cards loads once.
  await post('/api/validate-yaml', { content: '---\na: b\n---\n' });
}, 60_000);
afterAll(async () => {
  server.kill('SIGKILL');
  await rm(root, { recursive: true, force: true });
});

/** The longest wait of a second client until `work` is done. */
async function worstWait(work: Promise<unknown>): Promise<number> {
  let worst = 0;
  let done = false;
  const end = (): void => {
    done = true;
  };
  work.then(end, end);
  while (!done) {
    const before = performance.now();
    await (await fetch(`${url}/api/models/plein-air/bomb/tree/main`)).arrayBuffer();
    worst = Math.max(worst, performance.now() - before);
  }
  return worst;
}

async function expectHarmless(work: Promise<unknown>): Promise<void> {
  const share = Math.max(1, loadavg()[0] ?? 1) / availableParallelism();
  expect(await worstWait(work)).toBeLessThan(MAX_WAIT_MS * Math.max(1, 1.5 * share));
}

const head = (yaml: string): string => `---\n${yaml}\n---\n`;
const keys = (count: number): string => Array.from({ length: count }, (_, n) => `k${n}: v`).join('\n');
const YAML = {
  'keys by the thousand': head(keys(20_000)),
  'keys within the limit': head(keys(1900)),
  'keys in one line': head(`{${keys(5000).replaceAll('\n', ', ')}}`),
  anchors: head('&a '.repeat(21_000)),
  'a long list': head('- x\n'.repeat(1900)),
  'open brackets': head('['.repeat(60_000)),
  'aliases of aliases': head(`a: &a [${'x,'.repeat(500)}]\n${'b: [*a,*a,*a]\n'.repeat(18)}`),
  'line breaks without end': `---\n${'\n'.repeat(500_000)}`,
};
const MARKDOWN = {
  emphasis: '_a'.repeat(64 * K),
  quotes: '>'.repeat(8000),
  addresses: `${'a'.repeat(100 * K)}@`,
  'nested lists': Array.from({ length: 900 }, (_, n) => `${' '.repeat(n)}- a`).join('\n'),
  strikes: '~a~'.repeat(30 * K),
  tables: `|${'a|'.repeat(40 * K)}\n|${'-|'.repeat(10 * K)}`,
  stars: '***a*'.repeat(20 * K),
  headings: 'a\n='.repeat(30 * K),
  'open elements': '<b>'.repeat(40 * K),
  'open links': '['.repeat(60 * K),
};

describe('a second client is served', () => {
  it.each(Object.entries(YAML))('while somebody asks whether %s is a card', async (_, content) => {
    await expectHarmless(post('/api/validate-yaml', { content }));
  });

  it.each(Object.entries(MARKDOWN))('while a page shows a card of %s', async (name, text) => {
    const path = `${name.replaceAll(' ', '-')}.md`;
    await commit([{ key: 'file', value: { path, content: text, encoding: 'utf-8' } }]);
    const page = fetch(`${url}/plein-air/bomb/blob/main/${path}`);
    await expectHarmless(page);
    expect((await page).status).toBe(200);
    // Known by now, good or bad.
    const before = performance.now();
    await (await fetch(`${url}/plein-air/bomb/blob/main/${path}`)).arrayBuffer();
    expect(performance.now() - before).toBeLessThan(900);
  });

  it.each([
    ['gitAttributes', `${'*a'.repeat(20)}b filter=lfs`],
    ['gitIgnore', `${'*a'.repeat(20)}b`],
    ['gitIgnore', `x/${'**a/'.repeat(20)}b`],
    ['gitAttributes', Array.from({ length: 70 }, () => `${'*a'.repeat(20)}b filter=lfs`).join('\n')],
  ])('while %s holds patterns that backtrack', async (field, patterns) => {
    const files = Array.from({ length: 20 }, (_, n) => ({
      path: `${'a/'.repeat(400)}${'a'.repeat(120)}${n}`,
      size: 1,
    }));
    const asked = post('/api/models/plein-air/bomb/preupload/main', { files, [field]: patterns });
    await expectHarmless(asked);
    expect([200, 400]).toContain((await asked).status);
  });

  it('while every page lists a repo whose card is a bomb', async () => {
    await post('/api/repos/create', { name: 'card' });
    await commit([{ key: 'file', value: { path: 'notes.md', content: 'x' } }], 'card');
    await expectHarmless(fetch(`${url}/`));
  });
});

async function commit(lines: object[], repo = 'bomb'): Promise<Response> {
  const all = [{ key: 'header', value: { summary: 'x' } }, ...lines];
  return fetch(`${url}/api/models/plein-air/${repo}/commit/main`, {
    method: 'POST',
    headers: { ...headers, 'content-type': 'application/x-ndjson' },
    body: all.map((line) => JSON.stringify(line)).join('\n'),
  });
}

describe('a request without a token', () => {
  it('has its body read up to 64 KiB and as JSON only', async () => {
    const json = { 'content-type': 'application/json' };
    expect((await post('/api/validate-yaml', { content: 'x'.repeat(70 * K) }, json)).status).toBe(413);
    for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data'])
      expect((await post('/api/validate-yaml', { content: 'x' }, { 'content-type': type })).status).toBe(415);
  });

  it('of a page of another site is refused, with a token or without', async () => {
    for (const more of [
      { 'sec-fetch-site': 'cross-site' },
      { 'sec-fetch-site': 'same-site' },
      { origin: 'http://evil.example' },
    ])
      for (const known of [headers, { 'content-type': 'application/json' }]) {
        const answer = await post('/api/validate-yaml', { content: 'x' }, { ...known, ...more } as Record<
          string,
          string
        >);
        expect(answer.status).toBe(403);
      }
    const own = await post('/api/validate-yaml', { content: 'x' }, { ...headers, origin: url });
    expect(own.status).toBe(200);
  });
});

describe('500 slow connections', () => {
  it('leave the server small and other clients served', async () => {
    const sockets: Socket[] = [];
    const { port } = new URL(url);
    const start = (text: string): void => {
      const socket = connect(Number(port), '127.0.0.1').on('error', () => undefined);
      socket.write(text);
      sockets.push(socket);
    };
    try {
      const body = 'x'.repeat(60 * K);
      for (let n = 0; n < 250; n += 1) {
        start('GET /api/models HTTP/1.1\r\nHost: localhost\r\nX-Half: ');
        start(
          `POST /api/validate-yaml HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 64000\r\n\r\n${body}`,
        );
      }
      await expectHarmless(new Promise((resolve) => setTimeout(resolve, 1000)));
      const status = await readFile(`/proc/${server.pid}/status`, 'utf8');
      expect(Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / K).toBeLessThan(300);
    } finally {
      for (const socket of sockets) socket.destroy();
    }
  });
});
