import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer, request as forward } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type CommitSha, RepoId, type RepoRef } from '../../src/domain/refs.ts';
import { connectHub } from '../../src/hub/client.ts';
import type { Hub } from '../../src/hub/hub.ts';
import { startLocalHub } from '../../src/local-hub/server.ts';
import { SEAL } from '../../src/wire/seal.ts';
import { type Relay, startRelay } from '../chaos/relay.ts';
import { TOKEN } from '../local-hub/hub-in-test.ts';
import { seeded } from '../local-hub/random.ts';

/** Waits that are as short as a damaged length, for which nobody comes, lets them be. */
const PATIENCE = { firstDelayMs: 1, longestDelayMs: 5, timeoutMs: 400, idleTimeoutMs: 300 };

let root: string;
let server: Awaited<ReturnType<typeof startLocalHub>>;
let line: Relay;
/** Over the line that damages. */
let hub: Hub;
/** Straight. */
let witness: Hub;
const repo: RepoRef = { type: 'dataset', repo: RepoId.parse('plein-air/pictures') };
let first: CommitSha;
let number = 0;

const bytesOf = (name: string, length: number) =>
  Buffer.concat(
    Array.from({ length: Math.ceil(length / 32) }, (_, n) =>
      createHash('sha256').update(`${name} ${n}`).digest(),
    ),
  ).subarray(0, length);
const FILES = { 'data/small.json': bytesOf('small', 3000), 'data/large.parquet': bytesOf('large', 40_000) };
const toCommit = (files: Record<string, Buffer>) =>
  Object.entries(files).map(([path, content]) => ({ path, content }));

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'noisy-line-'));
  server = await startLocalHub({ root: join(root, 'hub') });
  line = await startRelay(server.port);
  const endpoint = `http://127.0.0.1:${line.port}`;
  hub = connectHub({ endpoint, accessToken: TOKEN, patience: PATIENCE });
  witness = connectHub({ endpoint: server.url, accessToken: TOKEN });
  await hub.whoAmI();
  await witness.ensureRepo(repo);
  first = await witness.commit({ repo, message: 'First', files: toCommit(FILES) });
});
afterAll(async () => {
  await line.close();
  await server.close();
  await rm(root, { recursive: true, force: true });
});

/** What a client does at the Hub; each throws where its outcome is not the right one. */
const ACTS: Record<string, (hub: Hub) => Promise<void>> = {
  async lists(hub) {
    const found = (await hub.list(repo, first, 'data')).map(({ path, bytes }) => [path, bytes]);
    expect(Object.fromEntries(found)).toEqual({ 'data/small.json': 3000, 'data/large.parquet': 40_000 });
  },
  async reads(hub) {
    expect(await hub.read(repo, first, 'data/small.json')).toEqual(FILES['data/small.json']);
    expect(await hub.read(repo, first, 'data/none.json')).toBeNull();
  },
  async 'reads a range'(hub) {
    const part = await hub.readRange(repo, first, 'data/large.parquet', 10_000, 30_000);
    expect(part.equals(FILES['data/large.parquet'].subarray(10_000, 30_000))).toBe(true);
  },
  async downloads(hub) {
    const to = await mkdtemp(join(root, 'to-'));
    await hub.download({ repo, commit: first, toFolder: to });
    for (const [path, bytes] of Object.entries(FILES))
      expect((await readFile(join(to, path))).equals(bytes)).toBe(true);
  },
  async commits(hub) {
    number += 1;
    const target: RepoRef = { type: 'model', repo: RepoId.parse(`plein-air/lora-${number}`) };
    await hub.ensureRepo(target);
    await hub.ensureBranch(target, 'lane', (await hub.resolve(target)) as CommitSha);
    const parent = (await hub.resolve(target, 'lane')) as CommitSha;
    const files = {
      'card.md': bytesOf(`card ${number}`, 2000),
      'lora.safetensors': bytesOf(`lora ${number}`, 20_000),
    };
    const commit = await hub.commit({
      repo: target,
      branch: 'lane',
      parent,
      message: 'A step',
      files: toCommit(files),
    });
    await hub.createTag(target, 'v1', commit);
    // As somebody sees it who is near: nothing is elsewhere, nothing twice.
    expect(await witness.branches(target)).toEqual(
      expect.arrayContaining([
        { name: 'main', commit: parent },
        { name: 'lane', commit },
      ]),
    );
    expect(await witness.branches(target)).toHaveLength(2);
    expect(await witness.tags(target)).toEqual([{ name: 'v1', commit }]);
    for (const [path, bytes] of Object.entries(files))
      expect((await witness.read(target, commit, path))?.equals(bytes)).toBe(true);
    expect(await witness.list(target, commit)).toHaveLength(3);
  },
};

describe.each(Object.keys(ACTS))('a client that %s', (name) => {
  const act = ACTS[name] as (typeof ACTS)[string];

  it('comes to the right end, whichever byte of a request or an answer is changed', async () => {
    const before = { ...line.passed };
    await act(hub);
    const length = { there: line.passed.there - before.there, back: line.passed.back - before.back };
    const random = seeded(name.length);
    for (let n = 0; n < 60; n++) {
      const way = n % 2 === 0 ? 'there' : 'back';
      const [at, mask] = [random.int(length[way]), 1 + random.int(255)];
      line.weather = { kind: 'one', way, at, mask };
      await act(hub).catch((error: unknown) => {
        throw new Error(`byte ${at} of ${length[way]} ${way}, changed by ${mask}: ${error}`, {
          cause: error,
        });
      });
    }
  }, 120_000);

  it.each([500, 2000, 8000])(
    'gets the right bytes or an error to try again, where one in %i is changed all the time',
    async (every) => {
      const hasty = connectHub({
        endpoint: hub.endpoint,
        accessToken: TOKEN,
        patience: { ...PATIENCE, attempts: 2 },
      });
      line.weather = { kind: 'corrupt', every };
      for (let n = 0; n < 8; n++)
        await act(hasty).catch((error) => expect(error).toMatchObject({ retryable: true }));
      line.weather = { kind: 'clear' };
    },
    60_000,
  );
});

describe('a sealed request', () => {
  const url = () => `${server.url}/api/datasets/${repo.repo}/revision/main`;
  const headers = { authorization: `Bearer ${TOKEN}` };

  it('that is not as it was sealed is refused before its token is looked at', async () => {
    const seal = `${'0'.repeat(64)}.${'0'.repeat(64)}`;
    const answer = await fetch(url(), { headers: { authorization: 'Bearer hf_damaged', [SEAL]: seal } });
    expect([answer.status, answer.headers.get('x-error-code')]).toEqual([400, 'Damaged']);
  });

  it('is no duty: who seals none is answered as ever, without a seal', async () => {
    const answer = await fetch(url(), { headers });
    expect([answer.status, answer.headers.get(SEAL)]).toEqual([200, null]);
  });

  it('with a wrong token is refused at once', async () => {
    let sent = 0;
    const counting: typeof fetch = (...p) => {
      sent += 1;
      return fetch(...p);
    };
    const stranger = connectHub({ endpoint: server.url, accessToken: 'hf_stranger', fetch: counting });
    await expect(stranger.whoAmI()).rejects.toMatchObject({ kind: 'HubRefused', retryable: false });
    expect(sent).toBe(1);
  });

  it('is sent again where a header of its answer, or the status, is not as it was sent', async () => {
    for (const [status, code] of [
      [409, 'EntryNotFound'],
      [404, 'RevisionNotFound'],
    ] as const) {
      let changed = 0;
      const changing: typeof fetch = async (...p) => {
        const answer = await fetch(...p);
        if (changed > 0) return answer;
        changed += 1;
        const headers = new Headers(answer.headers);
        headers.set('x-error-code', code);
        return new Response(answer.body, { status, headers });
      };
      const near = connectHub({
        endpoint: server.url,
        accessToken: TOKEN,
        fetch: changing,
        patience: PATIENCE,
      });
      expect(await near.read(repo, first, 'data/none.json')).toBeNull();
      expect(changed).toBe(1);
    }
  });

  it('is given up behind a proxy that rewrites heads, within the tries of one request', async () => {
    const seals: unknown[] = [];
    const proxy = createServer((request, response) => {
      seals.push(request.headers[SEAL]);
      const { host: _, ...headers } = request.headers;
      const on = forward(new URL(request.url ?? '/', server.url), { method: request.method, headers });
      on.on('response', (answer) => {
        response.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(response);
      });
      request.pipe(on);
    });
    proxy.listen(0, '127.0.0.1');
    await once(proxy, 'listening');
    const endpoint = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
    const behind = connectHub({ endpoint, accessToken: TOKEN, patience: PATIENCE });
    expect(await behind.read(repo, first, 'data/small.json')).toEqual(FILES['data/small.json']);
    expect(seals.map((seal) => typeof seal)).toEqual([...new Array(5).fill('string'), 'undefined']);
    proxy.close();
  });

  it('follows a repository that has moved', async () => {
    const before: RepoRef = { type: 'model', repo: RepoId.parse('plein-air/before') };
    await witness.ensureRepo(before);
    await fetch(`${server.url}/api/repos/move`, {
      method: 'POST',
      headers: { ...headers, 'content-type': 'application/json' },
      body: JSON.stringify({ fromRepo: before.repo, toRepo: 'plein-air/after', type: 'model' }),
    });
    expect(await witness.resolve(before)).toBe(
      await witness.resolve({ type: 'model', repo: RepoId.parse('plein-air/after') }),
    );
  });
});
