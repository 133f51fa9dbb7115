import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type CommitSha, RepoId, type RepoRef } from '../../src/domain/refs.ts';
import { connectHub } from '../../src/hub/client.ts';
import type { Hub } from '../../src/hub/hub.ts';
import { startLocalHub } from '../../src/local-hub/server.ts';
import { type Relay, startRelay } from '../chaos/lib/relay.ts';
import { TOKEN } from '../local-hub/hub-in-test.ts';
import { seeded } from '../local-hub/random.ts';
import { fetchTrusting } from '../local-hub/trusting-fetch.ts';

/** Waits that are as short as a damaged length, for which nobody comes, lets them be. */
const PATIENCE = { firstDelayMs: 1, longestDelayMs: 5, timeoutMs: 400, idleTimeoutMs: 300 };

let root: string;
let server: Awaited<ReturnType<typeof startLocalHub>>;
let line: Relay;
/** Over TLS, on a line that damages. */
let hub: Hub;
/** Over TLS, straight. */
let witness: Hub;
const repo: RepoRef = { type: 'dataset', repo: RepoId.parse('plein-air/pictures') };
let first: CommitSha;
let number = 0;
/** Trusts the Hub's own authority. */
let trusting: typeof fetch;

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
  server = await startLocalHub({ root: join(root, 'hub'), tls: 'self-signed' });
  trusting = fetchTrusting(await readFile(server.trust?.authority ?? '', 'utf8'));
  line = await startRelay(server.port);
  const endpoint = `https://127.0.0.1:${line.port}`;
  hub = connectHub({ endpoint, accessToken: TOKEN, fetch: trusting, patience: PATIENCE });
  witness = connectHub({ endpoint: server.url, accessToken: TOKEN, fetch: trusting });
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
    for (let n = 0; n < 40; n++) {
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
        fetch: trusting,
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
