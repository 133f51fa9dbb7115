import { createHash } from 'node:crypto';
import { createRepo, uploadFile } from '@huggingface/hub';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startLocalHub } from '../../src/local-hub/server.ts';
import { type HubInTest, startHubInTest, TOKEN } from '../local-hub/hub-in-test.ts';

const READER = 'hf_reader';
const repo = 'painter/wire';
let hub: HubInTest;

const call = (path: string, init: RequestInit & { token?: string | null } = {}): Promise<Response> => {
  const { token = TOKEN, headers, ...rest } = init;
  const authorization = token === null ? {} : { Authorization: `Bearer ${token}` };
  return fetch(`${hub.url}${path}`, {
    ...rest,
    headers: { ...authorization, ...(headers as Record<string, string>) },
  });
};
const post = (
  path: string,
  body: unknown,
  init: RequestInit & { token?: string | null } = {},
): Promise<Response> =>
  call(path, {
    method: 'POST',
    body: typeof body === 'string' ? body : JSON.stringify(body),
    headers: { 'content-type': 'application/json' },
    ...init,
  });
const lines = (...all: unknown[]): string => all.map((line) => JSON.stringify(line)).join('\n');
const header = { key: 'header', value: { summary: 'by hand' } };
const file = (path: string, text = 'x') => ({
  key: 'file',
  value: { path, content: Buffer.from(text).toString('base64'), encoding: 'base64' },
});
const commit = (...operations: unknown[]): Promise<Response> =>
  post(`/api/models/${repo}/commit/main`, lines(header, ...operations));
const head = async (): Promise<string> =>
  ((await (await call(`/api/models/${repo}`)).json()) as { sha: string }).sha;

beforeAll(async () => {
  hub = await startHubInTest({
    tokens: [
      { token: TOKEN, user: 'painter', role: 'write' },
      { token: READER, user: 'critic', role: 'read' },
    ],
  });
  const options = { hubUrl: hub.url, accessToken: TOKEN, repo };
  await createRepo(options);
  await uploadFile({ ...options, file: { path: 'ten.txt', content: new Blob(['0123456789']) } });
  await uploadFile({
    ...options,
    file: { path: 'large.bin', content: new Blob([new Uint8Array(1_500_000).fill(3)]) },
  });
  await uploadFile({ ...options, file: { path: 'empty.txt', content: new Blob([]) } });
});
afterAll(async () => hub.stop());

describe('downloads', () => {
  const url = `/${repo}/resolve/main/ten.txt`;

  it('name the commit, the quoted tag and the length on HEAD', async () => {
    const answer = await call(url, { method: 'HEAD' });
    expect(answer.headers.get('x-repo-commit')).toMatch(/^[0-9a-f]{40}$/);
    expect(answer.headers.get('etag')).toMatch(/^"[0-9a-f]{40}"$/);
    expect(answer.headers.get('content-length')).toBe('10');
  });

  it('name size and sha256 of a large file', async () => {
    const answer = await call(`/${repo}/resolve/main/large.bin`, { method: 'HEAD' });
    const sha256 = createHash('sha256').update(new Uint8Array(1_500_000).fill(3)).digest('hex');
    expect(answer.headers.get('x-linked-etag')).toBe(`"${sha256}"`);
    expect(answer.headers.get('x-linked-size')).toBe('1500000');
    expect(answer.headers.get('x-xet-hash')).toBeNull();
  });

  it.each([
    { range: 'bytes=2-4', status: 206, text: '234', contentRange: 'bytes 2-4/10' },
    { range: 'bytes=7-', status: 206, text: '789', contentRange: 'bytes 7-9/10' },
    { range: 'bytes=-3', status: 206, text: '789', contentRange: 'bytes 7-9/10' },
    { range: 'bytes=8-99', status: 206, text: '89', contentRange: 'bytes 8-9/10' },
    { range: 'bytes=0-1,4-5', status: 200, text: '0123456789', contentRange: null },
    { range: 'lines=1-2', status: 200, text: '0123456789', contentRange: null },
  ])('answer $range with $status', async ({ range, status, text, contentRange }) => {
    const answer = await call(url, { headers: { Range: range } });
    expect([answer.status, await answer.text(), answer.headers.get('content-range')]).toEqual([
      status,
      text,
      contentRange,
    ]);
  });

  it('refuse a range past the end with 416 and the size', async () => {
    const answer = await call(url, { headers: { Range: 'bytes=10-' } });
    expect([answer.status, answer.headers.get('content-range')]).toEqual([416, 'bytes */10']);
  });

  it('give an empty file its size even when a range was asked', async () => {
    const answer = await call(`/${repo}/resolve/main/empty.txt`, { headers: { Range: 'bytes=0-0' } });
    expect([answer.status, answer.headers.get('content-range')]).toEqual([200, 'bytes */0']);
  });

  it('are 304 when the client has the file, and whole when its copy is older than the range', async () => {
    const etag = (await call(url, { method: 'HEAD' })).headers.get('etag') ?? '';
    expect((await call(url, { headers: { 'If-None-Match': etag } })).status).toBe(304);
    expect((await call(url, { headers: { Range: 'bytes=0-1', 'If-Range': etag } })).status).toBe(206);
    expect((await call(url, { headers: { Range: 'bytes=0-1', 'If-Range': '"old"' } })).status).toBe(200);
  });
});

describe('commits', () => {
  it.each([
    '../outside.txt',
    'a/../../outside.txt',
    '/etc/passwd',
    'a//b',
    'a/./b',
    'nul\u0000.txt',
    'back\\slash',
    '',
    '.git/config',
    'ends/',
    'x'.repeat(300),
  ])('refuse the path %j', async (path) => {
    const before = await head();
    const answer = await commit(file(path));
    expect(answer.status).toBe(400);
    expect(await head()).toBe(before);
  });

  it.each([
    '/resolve/main/../../../../etc/passwd',
    '/resolve/main/%2e%2e/%2e%2e/repo.json',
    '/resolve/main/a%00b',
    '/resolve/main/%ff',
    '/resolve/%2e%2e/x',
  ])('never read outside the repo: %s', async (path) => {
    const { request } = await import('node:http');
    const status = await new Promise<number | undefined>((done) => {
      request(`${hub.url}`, { path: `/${repo}${path}` }, (answer) => {
        answer.resume();
        done(answer.statusCode);
      }).end();
    });
    expect([400, 404]).toContain(status);
  });

  it('land whole or not at all', async () => {
    const before = await head();
    const answer = await commit(file('good.txt'), { key: 'deletedFile', value: { path: 'never-there.txt' } });
    expect([answer.status, answer.headers.get('x-error-code')]).toEqual([404, 'EntryNotFound']);
    expect(await head()).toBe(before);
    expect((await call(`/${repo}/resolve/main/good.txt`)).status).toBe(404);
  });

  it('refuse a large file that was never uploaded', async () => {
    const answer = await commit({
      key: 'lfsFile',
      value: { path: 'ghost.bin', algo: 'sha256', oid: 'a'.repeat(64), size: 5 },
    });
    expect(answer.status).toBe(400);
  });

  it('that change nothing keep the head', async () => {
    const before = await head();
    const answer = await commit(file('ten.txt', '0123456789'));
    expect(((await answer.json()) as { commitOid: string }).commitOid).toBe(before);
  });

  it('copy a file on the server', async () => {
    await commit({ key: 'copyFile', value: { path: 'copy.bin', srcPath: 'large.bin' } });
    expect(
      (await call(`/${repo}/resolve/main/copy.bin`, { method: 'HEAD' })).headers.get('content-length'),
    ).toBe('1500000');
  });

  it('refuse a file where a folder is, and a folder where a file is', async () => {
    expect((await commit(file('ten.txt/inside'))).status).toBe(400);
    await commit(file('folder/one.txt'));
    expect((await commit(file('folder'))).status).toBe(400);
    const both = await commit(
      { key: 'deletedFolder', value: { path: 'folder/' } },
      file('folder', 'now a file'),
    );
    expect(both.status).toBe(200);
  });

  it('need a header, and lines that are JSON of a known kind', async () => {
    expect((await post(`/api/models/${repo}/commit/main`, lines(file('a')))).status).toBe(400);
    expect((await post(`/api/models/${repo}/commit/main`, 'not json')).status).toBe(400);
    expect((await commit({ key: 'somethingElse', value: {} })).status).toBe(400);
  });

  it('on a branch that is not there name the revision', async () => {
    const answer = await post(`/api/models/${repo}/commit/none`, lines(header, file('a')));
    expect([answer.status, answer.headers.get('x-error-code')]).toEqual([404, 'RevisionNotFound']);
  });
});

describe('large files', () => {
  const batch = async (oid: string, size: number) => {
    const answer = await post(`/${repo}.git/info/lfs/objects/batch`, {
      operation: 'upload',
      transfers: ['basic', 'multipart'],
      objects: [{ oid, size }],
    });
    type Action = { href: string; header?: Record<string, string> };
    const body = (await answer.json()) as {
      transfer: string;
      objects: { actions?: { upload: Action; verify: Action } }[];
    };
    return body.objects[0]?.actions;
  };

  it('are refused when their bytes have another sha256', async () => {
    const oid = createHash('sha256').update('right').digest('hex');
    const actions = await batch(oid, 5);
    const wrong = await fetch(actions?.upload.href ?? '', { method: 'PUT', body: 'wrong' });
    expect([wrong.status, ((await wrong.json()) as { error: string }).error]).toEqual([
      400,
      expect.stringContaining(oid),
    ]);
    expect((await fetch(actions?.upload.href ?? '', { method: 'PUT', body: 'right, and more' })).status).toBe(
      400,
    );
    expect((await fetch(actions?.upload.href ?? '', { method: 'PUT', body: 'right' })).status).toBe(200);
    expect((await post(new URL(actions?.verify.href ?? '').pathname, { oid, size: 5 })).status).toBe(200);
  });

  it('need no upload when they are stored already', async () => {
    const sha256 = createHash('sha256').update(new Uint8Array(1_500_000).fill(3)).digest('hex');
    expect(await batch(sha256, 1_500_000)).toBeUndefined();
  });

  it('are served by their sha256 only from a repo that holds them', async () => {
    const { oid } = ((await (await call(`/api/models/${repo}/lfs-files`)).json()) as { oid: string }[])[0]!;
    await post('/api/repos/create', { name: 'painter/elsewhere' });
    const ask = async (from: string) => {
      const body = { operation: 'download', transfers: ['basic'], objects: [{ oid, size: 1_500_000 }] };
      const answer = await post(`/${from}.git/info/lfs/objects/batch`, body, { token: null });
      return ((await answer.json()) as { objects: { error?: { code: number } }[] }).objects[0];
    };
    expect((await ask('painter/elsewhere'))?.error?.code).toBe(404);
    expect((await ask(repo))?.error).toBeUndefined();
  });

  it.each([true, false])(
    'that are deleted for good are not served again, whatever commit is asked (history rewritten: %p)',
    async (rewriteHistory) => {
      const name = `painter/for-good-${rewriteHistory}`;
      await createRepo({ hubUrl: hub.url, accessToken: TOKEN, repo: name });
      const content = new Blob([`deleted for good ${rewriteHistory} `.repeat(100_000)]);
      const put = () =>
        uploadFile({ hubUrl: hub.url, accessToken: TOKEN, repo: name, file: { path: 'w.bin', content } });
      const old = (await put())?.commit.oid;
      const status = async (revision: string | undefined) =>
        (await call(`/${name}/resolve/${revision}/w.bin`)).status;
      expect([await status(old), await status('main')]).toEqual([200, 200]);
      const [file] = (await (await call(`/api/models/${name}/lfs-files`)).json()) as { oid: string }[];
      await post(`/api/models/${name}/lfs-files/batch`, { deletions: { sha: [file?.oid], rewriteHistory } });
      expect([await status(old), await status('main')]).toEqual([404, 404]);
      const copy = { key: 'copyFile', value: { path: 'back.bin', srcPath: 'w.bin', srcRevision: old } };
      expect((await post(`/api/models/${name}/commit/main`, lines(header, copy))).status).toBe(404);
      await put();
      expect(await status('main')).toBe(200);
    },
  );

  it('go only to URLs that the Hub gave out', async () => {
    const href = (await batch('b'.repeat(64), 5))?.upload.href ?? '';
    expect(
      (
        await fetch(
          href.replace(/.$/, (last) => (last === 'A' ? 'B' : 'A')),
          { method: 'PUT', body: 'right' },
        )
      ).status,
    ).toBe(403);
    expect((await fetch(`${hub.url}/_lfs/upload/e30.AAAA`, { method: 'PUT', body: 'right' })).status).toBe(
      403,
    );
  });
});

describe('access', () => {
  it('needs no token to read what is public', async () => {
    expect((await call(`/${repo}/resolve/main/ten.txt`, { token: null })).status).toBe(200);
  });

  it('needs a token that may write to write', async () => {
    expect((await post('/api/repos/create', { name: 'a/b' }, { token: null })).status).toBe(401);
    expect((await post('/api/repos/create', { name: 'a/b' }, { token: READER })).status).toBe(403);
    expect(
      (await post(`/api/models/${repo}/commit/main`, lines(header, file('a')), { token: READER })).status,
    ).toBe(403);
  });

  it('refuses a token that it does not know, even to read', async () => {
    expect((await call(`/${repo}/resolve/main/ten.txt`, { token: 'hf_local_plein_aiR' })).status).toBe(401);
  });

  it('hides a private repo from those without a token', async () => {
    await post('/api/repos/create', { name: 'hidden', private: true });
    expect((await call('/api/models/painter/hidden')).status).toBe(200);
    expect((await call('/api/models/painter/hidden', { token: null })).status).toBe(401);
    const listed = (await (await call('/api/models?author=painter', { token: null })).json()) as {
      id: string;
    }[];
    expect(listed.map(({ id }) => id)).not.toContain('painter/hidden');
  });

  it('never shows a secret of a Space again', async () => {
    await post('/api/repos/create', { name: 'studio', type: 'space', sdk: 'gradio' });
    const answer = await post('/api/spaces/painter/studio/secrets', { key: 'KEY', value: 'do-not-show' });
    expect(await answer.text()).not.toContain('do-not-show');
    expect(await (await call('/api/spaces/painter/studio/secrets')).text()).not.toContain('do-not-show');
    expect(await (await call('/api/spaces/painter/studio')).text()).not.toContain('do-not-show');
  });

  it.each([undefined, [{ token: TOKEN, user: 'x', role: 'write' as const }]])(
    'beyond loopback needs a token of one’s own, not the one that everybody knows: %j',
    async (tokens) => {
      const options = { root: hub.root, host: '0.0.0.0', ...(tokens ? { tokens } : {}) };
      await expect(startLocalHub(options)).rejects.toThrow('token of your own');
    },
  );

  it('under another name than this machine’s is refused: a web page could make its own name point here', async () => {
    const { request } = await import('node:http');
    const ask = (host: string): Promise<number | undefined> =>
      new Promise((done) => {
        const headers = { Host: host, Authorization: `Bearer ${TOKEN}` };
        request(`${hub.url}/api/whoami-v2`, { headers }, (answer) => {
          answer.resume();
          done(answer.statusCode);
        }).end();
      });
    expect(await ask('evil.example')).toBe(421);
    expect(await ask('127.0.0.1.evil.example:80')).toBe(421);
    expect(await ask(`localhost:${hub.port}`)).toBe(200);
  });

  it('to write is asked for with a token that may write', async () => {
    expect((await call(`/api/models/${repo}/auth-check/write`)).status).toBe(200);
    expect((await call(`/api/models/${repo}/auth-check/write`, { token: READER })).status).toBe(403);
    expect((await call(`/api/models/${repo}/auth-check`, { token: READER })).status).toBe(200);
  });

  it('to a folder is for one process at a time', async () => {
    await expect(startLocalHub({ root: hub.root })).rejects.toThrow('belongs to process');
  });
});

describe('repos', () => {
  it('answer under their old name with the way to the new one', async () => {
    await post('/api/repos/create', { name: 'painter/old' });
    await post('/api/models/painter/old/commit/main', lines(header, file('a.txt', 'moved')));
    await post('/api/repos/move', { fromRepo: 'painter/old', toRepo: 'painter/new' });
    await post('/api/repos/move', { fromRepo: 'painter/new', toRepo: 'painter/newest' });
    const answer = await call('/painter/old/resolve/main/a.txt', { redirect: 'manual' });
    expect([answer.status, answer.headers.get('location')]).toEqual([
      307,
      `${hub.url}/painter/newest/resolve/main/a.txt`,
    ]);
    expect(await (await call('/painter/old/resolve/main/a.txt')).text()).toBe('moved');
    expect((await call('/api/models/painter/old')).status).toBe(200);
    await post('/api/repos/create', { name: 'painter/old' });
    expect((await call('/painter/old/resolve/main/a.txt')).status).toBe(404);
  });

  it('that are private do not show their new name to others', async () => {
    await post('/api/repos/create', { name: 'painter/was', private: true });
    await post('/api/repos/move', { fromRepo: 'painter/was', toRepo: 'painter/is' });
    expect((await call('/api/models/painter/was', { token: null, redirect: 'manual' })).status).toBe(401);
  });

  it('moved to one name at once leave one there, and the others where they were', async () => {
    for (const name of ['m1', 'm2', 'm3']) await post('/api/repos/create', { name: `painter/${name}` });
    const moves = ['m1', 'm2', 'm3'].map((name) =>
      post('/api/repos/move', { fromRepo: `painter/${name}`, toRepo: 'painter/one' }),
    );
    const statuses = (await Promise.all(moves)).map(({ status }) => status);
    expect(statuses.sort()).toEqual([200, 409, 409]);
  });

  it('created at once under one name are one, and the others are told its address', async () => {
    const tries = Array.from({ length: 6 }, () => post('/api/repos/create', { name: 'painter/race' }));
    const answers = await Promise.all(tries);
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 409, 409, 409, 409, 409]);
    for (const answer of answers.filter(({ status }) => status === 409))
      expect(((await answer.json()) as { url: string }).url).toBe(`${hub.url}/painter/race`);
  });

  it('land all of 120 commits at once, each in its turn', async () => {
    await post('/api/repos/create', { name: 'painter/busy' });
    const tries = Array.from({ length: 120 }, (_, index) =>
      post('/api/models/painter/busy/commit/main', lines(header, file(`f${index}`, String(index)))),
    );
    const statuses = (await Promise.all(tries)).map(({ status }) => status);
    const landed = statuses.filter((status) => status === 200).length;
    expect(new Set(statuses)).toEqual(new Set([200]));
    const tree = (await (await call('/api/models/painter/busy/tree/main')).json()) as unknown[];
    expect(tree.length).toBe(landed + 1);
  });

  it('keep names that are half a character out of refs', async () => {
    const answer = await post(`/api/models/${repo}/branch/half`, { startingPoint: '\ud800' });
    expect([answer.status, answer.headers.get('x-error-code')]).toEqual([404, 'RevisionNotFound']);
  });
});

describe('a rate limit', () => {
  it('answers 429 and says when there is more', async () => {
    const limited = await startHubInTest({ rateLimit: { requests: 2, windowSeconds: 60 } });
    try {
      const ask = () => fetch(`${limited.url}/api/models`);
      expect((await ask()).headers.get('ratelimit')).toMatch(/^"api";r=1;t=\d+$/);
      await ask();
      const third = await ask();
      expect([third.status, third.headers.get('ratelimit')]).toEqual([
        429,
        expect.stringMatching(/^"api";r=0;t=\d+$/),
      ]);
      expect(Number(third.headers.get('retry-after'))).toBeGreaterThan(0);
      expect(third.headers.get('ratelimit-policy')).toBe('"fixed window";"api";q=2;w=60');
      const made = await fetch(`${limited.url}/api/models`, {
        headers: { Authorization: 'Bearer hf_made_up' },
      });
      expect(made.status).toBe(429);
      const known = await fetch(`${limited.url}/api/models`, {
        headers: { Authorization: `Bearer ${TOKEN}` },
      });
      expect(known.status).toBe(200);
    } finally {
      await limited.stop();
    }
  });
});
