import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Client, Connection } from '@temporalio/client';
import type { Browser, Page } from 'playwright-core';
import { descendants } from '../../src/cli/stack/descendants.ts';
import { LOCAL_TOKEN, Stack } from '../../src/cli/stack/stack.ts';
import { readStack } from '../../src/cli/stack/stack-file.ts';
import { readEnvironment } from '../../src/config/env.ts';
import { RepoId } from '../../src/domain/refs.ts';
import { connectHub } from '../../src/hub/client.ts';
import { createCodecServer } from '../../src/temporal/codec-server.ts';
import { EncryptionCodec, parseCodecKeys } from '../../src/temporal/payload-codec.ts';
import { hasChromium, startBrowser } from './chromium.ts';

const described = hasChromium('hostile page') && existsSync('/proc') ? describe : describe.skip;
const SECRET = 'water-lilies-at-giverny';
const PRIVATE = RepoId.parse('team/private');
const EVIL = 'evil.example';

let dataDir: string;
let stack: Stack;
let browser: Browser;
let codec: Server;
let evil: Server;
let bait: Server;
const taken: string[] = [];

const listen = (server: Server) =>
  new Promise<number>((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port));
  });

/** Every port of 127.0.0.0/8 at which processes listen, hidden ones included. */
function portsOf(pids: number[]): number[] {
  const sockets = new Set(
    pids.flatMap((pid) =>
      readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
        try {
          return /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`))?.[1] ?? [];
        } catch {
          return [];
        }
      }),
    ),
  );
  const rows = ['tcp', 'tcp6'].flatMap((kind) => readFileSync(`/proc/net/${kind}`, 'utf8').split('\n'));
  return rows.flatMap((row) => {
    const [, local = '', , state, , , , , , inode = ''] = row.trim().split(/\s+/);
    return state === '0A' && sockets.has(inode) ? [Number.parseInt(local.split(':')[1] ?? '', 16)] : [];
  });
}

/** Runs in the page: tries to read and to change by every way that a page has, and tells what it could read. */
const ATTACK = `async (urls) => {
  const read = [];
  const start = JSON.stringify({
    workflowType: { name: 'rollback' }, taskQueue: { name: 'pipeline' },
    input: { payloads: [{ metadata: { encoding: 'anNvbi9wbGFpbg==' }, data: 'e30=' }] },
  });
  const ask = async (url, options) => {
    try {
      const answer = await fetch(url, { ...options, signal: AbortSignal.timeout(5000) });
      const text = await answer.text();
      if (text !== '') read.push(url + ' ' + text.slice(0, 80));
    } catch {}
  };
  const form = (url) => new Promise((resolve) => {
    const frame = Object.assign(document.createElement('iframe'), { name: 'f' + Math.random() });
    const form = Object.assign(document.createElement('form'), { action: url, method: 'post', target: frame.name, enctype: 'text/plain' });
    form.append(Object.assign(document.createElement('input'), { name: start.slice(0, -1) + ',"x":"', value: '"}' }));
    document.body.append(frame, form);
    frame.onload = () => resolve();
    form.submit();
    setTimeout(resolve, 2000);
  });
  const framed = (url) => new Promise((resolve) => {
    const frame = Object.assign(document.createElement('iframe'), { src: url });
    frame.onload = () => {
      try { const text = frame.contentDocument.body.textContent; if (text) read.push(url + ' framed ' + text.slice(0, 80)); } catch {}
      resolve();
    };
    document.body.append(frame);
    setTimeout(resolve, 2000);
  });
  const loaded = (tag, url) => new Promise((resolve) => {
    const element = Object.assign(document.createElement(tag), { src: url });
    element.onload = () => { read.push(url + ' loaded as ' + tag); resolve(); };
    element.onerror = () => resolve();
    document.body.append(element);
    setTimeout(resolve, 2000);
  });
  await Promise.all(urls.map(async (url) => {
    await ask(url);
    await ask(url, { credentials: 'include' });
    await ask(url, { method: 'POST', mode: 'no-cors', body: start });
    await ask(url, { method: 'POST', body: start });
    await ask(url, { method: 'POST', headers: { 'content-type': 'application/json', authorization: 'Bearer x' }, body: start });
    await ask(url, { method: 'PUT', headers: { 'content-type': 'application/json' }, body: start });
    await ask(url, { method: 'DELETE' });
    await form(url);
    await framed(url);
    await loaded('script', url);
    await loaded('img', url);
  }));
  return read;
}`;

described('a page of another origin, in the browser of who runs the stack', () => {
  beforeAll(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'hostile-'));
    stack = await Stack.start(dataDir, readEnvironment());
    const hub = connectHub({ endpoint: stack.hubUrl, accessToken: LOCAL_TOKEN });
    await hub.ensureRepo({ type: 'model', repo: PRIVATE }, { private: true });
    await hub.commit({
      ...{ repo: { type: 'model', repo: PRIVATE }, message: 'a secret' },
      files: [{ path: 'secret.txt', content: SECRET }],
    });
    const keys = parseCodecKeys(`k:${Buffer.alloc(32, 7).toString('base64')}`);
    codec = createCodecServer(new EncryptionCodec(keys, { allowPlain: true }), [stack.uiUrl]);
    evil = createServer((_, response) =>
      response.setHeader('content-type', 'text/html').end('<body>win a painting</body>'),
    );
    // What a service without a door gives away: the same page must succeed there, or this test shows nothing.
    bait = createServer((request, response) => {
      taken.push(`${request.method}`);
      response.setHeader('access-control-allow-origin', '*').end('bait');
    });
    browser = await startBrowser([`--host-resolver-rules=MAP ${EVIL} 127.0.0.1`]);
  }, 120_000);
  afterAll(async () => {
    await browser?.close();
    for (const server of [codec, evil, bait]) server?.close();
    await stack?.stop();
    await rm(dataDir, { recursive: true, force: true });
  });

  const visit = async (): Promise<Page> => {
    const page = await browser.newPage();
    await page.goto(
      `http://${EVIL}:${evil.listening ? (evil.address() as AddressInfo).port : await listen(evil)}/`,
    );
    return page;
  };
  const attack = (page: Page, urls: string[]) =>
    page.evaluate<string[]>(`(${ATTACK})(${JSON.stringify(urls)})`);
  const started = async () => {
    const connection = await Connection.connect({ address: stack.address });
    try {
      return (await new Client({ connection }).workflow.count()).count;
    } finally {
      await connection.close();
    }
  };

  it('reads and changes nothing through any port of the stack', async () => {
    const processes = readStack(dataDir)?.processes.map(({ pid }) => pid) ?? [];
    const ports = portsOf(processes.flatMap((pid) => [pid, ...descendants(pid)]));
    // gRPC, its HTTP twin, the hidden UI and the Hub at least.
    expect(ports.length).toBeGreaterThanOrEqual(4);
    const codecUrl = `http://127.0.0.1:${await listen(codec)}`;
    const workflows = '/api/v1/namespaces/default/workflows';
    const urls = [
      ...ports.flatMap((port) => [
        `http://127.0.0.1:${port}`,
        `http://localhost:${port}${workflows}/driveby`,
      ]),
      ...['', workflows, `${workflows}/driveby`].map((path) => `${stack.uiUrl}${path}`),
      ...['/api/models', '/api/repos/create', '/api/validate-yaml', `/${PRIVATE}`].map(
        (p) => `${stack.hubUrl}${p}`,
      ),
      ...['encode', 'decode'].map((verb) => `${codecUrl}/${verb}`),
    ];
    const page = await visit();
    expect(await attack(page, urls)).toEqual([]);
    expect(await started()).toBe(0);
    const hub = connectHub({ endpoint: stack.hubUrl, accessToken: LOCAL_TOKEN });
    const listed = (await (
      await fetch(`${stack.hubUrl}/api/models`, { headers: { authorization: `Bearer ${LOCAL_TOKEN}` } })
    ).json()) as { id: string }[];
    expect(listed.map(({ id }) => id)).toEqual([PRIVATE]);
    expect((await hub.read({ type: 'model', repo: PRIVATE }, 'main', 'secret.txt'))?.toString()).toBe(SECRET);
    await page.close();
  }, 180_000);

  it('gets nothing under a name of its own that points here', async () => {
    const page = await browser.newPage();
    for (const url of [stack.hubUrl, stack.uiUrl]) {
      const answer = await page.goto(`http://${EVIL}:${new URL(url).port}/api/v1/namespaces`);
      expect([403, 421]).toContain(answer?.status());
    }
    await page.close();
  }, 60_000);

  it('succeeds where there is no door, by the same script', async () => {
    const page = await visit();
    const read = await attack(page, [`http://127.0.0.1:${await listen(bait)}`]);
    expect(read.some((line) => line.endsWith('bait'))).toBe(true);
    expect(taken).toContain('POST');
    await page.close();
  }, 60_000);
});
