import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { NO_HTTP_API } from '../../src/cli/stack/stack.ts';
import {
  farWorkerEnvironment,
  serverEnvironment,
  sessionEnvironment,
  trainerVariables,
  workerEnvironment,
} from '../../src/config/child-environment.ts';
import { readEnvironment, temporalPath } from '../../src/config/env.ts';
import { freePort } from '../../src/wire/free-port.ts';
import { hiddenAddress, openWebDoor, type WebDoor } from '../../src/wire/web-door.ts';

/** Status of a request with these headers, `Host` included, which `fetch` does not let one choose. */
function ask(url: string, headers: Record<string, string>, method = 'GET', body = ''): Promise<number> {
  return new Promise((resolve, reject) => {
    const sent = request(url, { method, headers }, (answer) => {
      answer.resume();
      resolve(answer.statusCode ?? 0);
    });
    sent.on('error', reject).end(body);
  });
}

describe('a door before a web service', () => {
  let door: WebDoor;
  let behind: ReturnType<typeof createServer>;
  const seen: string[] = [];
  beforeAll(async () => {
    behind = createServer((incoming, response) => {
      seen.push(`${incoming.method} ${incoming.url}`);
      response.end('inside');
    });
    await new Promise<void>((resolve) => behind.listen(0, '127.0.0.1', resolve));
    door = await openWebDoor({ to: `http://127.0.0.1:${(behind.address() as AddressInfo).port}`, port: 0 });
  });
  afterAll(async () => {
    await door.close();
    behind.close();
  });

  it('lets this machine’s own browser in', async () => {
    const { host, port } = new URL(door.url);
    expect(await (await fetch(`${door.url}/namespaces?a=1`)).text()).toBe('inside');
    expect(
      await ask(door.url, { host, origin: door.url, 'sec-fetch-site': 'same-origin' }, 'POST', '{}'),
    ).toBe(200);
    expect(
      await ask(door.url, {
        host: `localhost:${port}`,
        'sec-fetch-site': 'cross-site',
        'sec-fetch-mode': 'navigate',
      }),
    ).toBe(200);
    expect(seen).toContain('GET /namespaces?a=1');
  });

  it.each([
    ['another name, as after DNS rebinding', { host: 'evil.example' }, 'GET'],
    ['a name that only begins like this machine', { host: '127.0.0.1.evil.example' }, 'GET'],
    ['a form of another origin', { origin: 'http://evil.example' }, 'POST'],
    ['a page without an origin', { origin: 'null' }, 'POST'],
    ['a fetch of another site', { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'no-cors' }, 'GET'],
    ['a navigation that posts', { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate' }, 'POST'],
  ])('does not let %s in', async (_, headers, method) => {
    const before = seen.length;
    expect(await ask(door.url, { host: new URL(door.url).host, ...headers }, method)).toBe(403);
    expect(seen.length).toBe(before);
  });
});

describe('the embedded Temporal server', () => {
  let server: ChildProcess;
  let [http, ui] = [0, 0];
  const address = hiddenAddress();
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'doors-'));
    http = await freePort();
    ui = await freePort();
    const args = ['server', 'start-dev', '--ip', '127.0.0.1', '--port', String(await freePort())];
    args.push('--http-port', String(http), '--ui-ip', address, '--ui-port', String(ui));
    args.push('--dynamic-config-value', NO_HTTP_API, '--log-level', 'error');
    server = spawn(temporalPath(readEnvironment()), args, { stdio: 'ignore', cwd: folder });
    for (let tries = 0; tries < 300; tries += 1) {
      if (await ask(`http://127.0.0.1:${http}/api/v1/namespaces`, {}).catch(() => null)) return;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    throw new Error('Expected the server to answer');
  });
  afterAll(async () => {
    server.kill('SIGTERM');
    await once(server, 'exit');
    await rm(folder, { recursive: true, force: true });
  });

  it.each(['127.0.0.1', 'localhost', 'evil.example'])('takes no order by HTTP as %s', async (host) => {
    const url = `http://127.0.0.1:${http}/api/v1/namespaces/default/workflows/driveby`;
    const body = JSON.stringify({ workflowType: { name: 'rollback' }, taskQueue: { name: 'pipeline' } });
    const headers = { host: `${host}:${http}`, origin: 'http://evil.example', 'content-type': 'text/plain' };
    expect(await ask(url, headers, 'POST', body)).toBe(403);
  });

  it('shows its UI at no address that a page could guess', async () => {
    await expect(ask(`http://127.0.0.1:${ui}/`, {})).rejects.toThrow('ECONNREFUSED');
    expect(address).toMatch(/^127\.\d+\.\d+\.\d+$/);
  });
});

describe('the environment of', () => {
  const all = {
    ...{
      PATH: '/bin',
      HOME: '/home/a',
      HF_TOKEN: 'hf_a',
      PLEIN_AIR_WEBHOOK_URL: 'https://hook',
      AWS_SECRET_ACCESS_KEY: 'x',
    },
    ...{
      PLEIN_AIR_CODEC_KEYS: 'k:1',
      PLEIN_AIR_HUB_TOKENS: 'hf_b',
      TEMPORAL_API_KEY: 't',
      NODE_OPTIONS: '--import x',
      GITHUB_TOKEN: 'g',
    },
  };

  it('a server holds no secret and no setting', () => {
    expect(serverEnvironment(all)).toEqual({ PATH: '/bin', HOME: '/home/a' });
  });

  it('a worker holds what the service reads, and nothing of others', () => {
    expect(Object.keys(workerEnvironment(all)).sort()).toEqual([
      ...['HF_TOKEN', 'HOME', 'PATH', 'PLEIN_AIR_CODEC_KEYS', 'PLEIN_AIR_WEBHOOK_URL', 'TEMPORAL_API_KEY'],
    ]);
  });

  it('a GPU worker of the fleet holds no secret of the pipeline worker that starts it, and its trainer none at all', () => {
    const here = sessionEnvironment(all);
    expect(Object.keys(here).sort()).toEqual([
      ...['HF_TOKEN', 'HOME', 'PATH', 'PLEIN_AIR_CODEC_KEYS', 'TEMPORAL_API_KEY'],
    ]);
    expect(trainerVariables(here)).toEqual({ PATH: '/bin', HOME: '/home/a' });
    expect(farWorkerEnvironment({ ...all, HF_ENDPOINT: 'https://hub' })).toEqual({
      variables: { HF_ENDPOINT: 'https://hub' },
      secrets: { HF_TOKEN: 'hf_a', PLEIN_AIR_CODEC_KEYS: 'k:1', TEMPORAL_API_KEY: 't' },
    });
  });
});
