import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { TOKEN } from './hub-in-test.ts';
import { seeded } from './random.ts';

const SERVE = ['"$NODE"', '"$TS"', '"$SERVE"'].join(' ');
/** A file system of 8 MB of its own, in a name space of its own: needs no rights where the system allows it at all. */
const SMALL_DISK = [
  'unshare',
  '-Urm',
  'sh',
  '-c',
  `mount -t tmpfs -o size=8m tmpfs "$0" && exec ${SERVE} "$0/hub"`,
];
/** No file longer than 3 MB: the same refusal by the kernel, without a file system. */
const SHORT_FILES = ['sh', '-c', `trap '' XFSZ; ulimit -f 6144; exec ${SERVE} "$0/hub"`];

function canMount(): boolean {
  try {
    execFileSync('unshare', ['-Urm', 'mount', '-t', 'tmpfs', 'tmpfs', tmpdir()], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

let folder: string;
let server: ChildProcess;
let lines: AsyncIterator<string>;
let url: string;

async function start(command: readonly string[]): Promise<void> {
  const [file = '', ...args] = command;
  server = spawn(file, [...args, folder], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: {
      PATH: process.env.PATH,
      NODE: process.execPath,
      TS: resolve('scripts/ts.mjs'),
      SERVE: resolve('test/local-hub/serve-then-fsck.ts'),
    },
  });
  lines = createInterface({ input: server.stdout as NodeJS.ReadableStream })[Symbol.asyncIterator]();
  url = String((await lines.next()).value);
  expect((await ask('POST', '/api/repos/create', { name: 'painter/full' })).status).toBe(200);
}

/** Ends the server and gives what it found in its folder. */
async function verify(): Promise<{ problems: string[]; unfinished: string[] }> {
  server.kill('SIGTERM');
  return JSON.parse(String((await lines.next()).value));
}

const ask = (method: string, path: string, body?: unknown): Promise<Response> =>
  fetch(path.startsWith('http') ? path : `${url}${path}`, {
    method,
    headers: { Authorization: `Bearer ${TOKEN}` },
    body: (body instanceof Uint8Array || typeof body === 'string' ? body : JSON.stringify(body)) as never,
  });
const commit = (path: string, bytes: Buffer): Promise<Response> =>
  ask(
    'POST',
    '/api/models/painter/full/commit/main',
    [
      { key: 'header', value: { summary: path } },
      { key: 'file', value: { path, content: bytes.toString('base64'), encoding: 'base64' } },
    ]
      .map((line) => JSON.stringify(line))
      .join('\n'),
  );
const head = async (): Promise<string> =>
  ((await (await fetch(`${url}/api/models/painter/full`)).json()) as { sha: string }).sha;

/** Sends a large file and gives the answer to its bytes. */
async function sendLarge(bytes: Buffer, transfer: 'basic' | 'multipart' = 'basic'): Promise<Response> {
  const oid = createHash('sha256').update(bytes).digest('hex');
  const batch = await ask('POST', '/painter/full.git/info/lfs/objects/batch', {
    operation: 'upload',
    transfers: [transfer],
    objects: [{ oid, size: bytes.length }],
  });
  type Upload = { href: string; header?: Record<string, string> };
  const { objects } = (await batch.json()) as { objects: { actions: { upload: Upload } }[] };
  const upload = objects[0]?.actions.upload;
  const first = upload?.header?.['1'];
  return ask('PUT', first ?? upload?.href ?? '', first ? bytes.subarray(0, 64 << 20) : bytes);
}

async function expectFull(answer: Response): Promise<void> {
  expect(answer.status).toBe(507);
  expect(((await answer.json()) as { error: string }).error).toMatch(/disk that holds the Hub is full/);
}

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'plein-air-full-'));
});
afterEach(async () => {
  if (server.exitCode === null && server.signalCode === null) {
    const ended = new Promise((done) => server.once('exit', done));
    server.kill('SIGKILL');
    await ended;
  }
  await rm(folder, { recursive: true, force: true });
});

(canMount() ? describe : describe.skip)('a Hub on a disk that is full', () => {
  it('answers 507, keeps nothing that is half written, and goes on once there is room', async () => {
    await start(SMALL_DISK);
    const random = seeded(5);
    await expectFull(await sendLarge(random.bytes(12_000_000)));
    await expectFull(await sendLarge(Buffer.alloc(70 << 20, 1), 'multipart'));
    await expectFull(await commit('too-much.txt', random.bytes(9_000_000)));
    const before = await head();
    expect((await commit('fits.txt', random.bytes(900_000))).status).toBe(200);
    expect(await head()).not.toBe(before);
    expect((await sendLarge(random.bytes(5_000_000))).status).toBe(200);
    let landed = await head();
    for (let n = 0; ; n += 1) {
      const answer = await commit(`fill-${n}.txt`, random.bytes(60_000));
      if (answer.status !== 200) {
        await expectFull(answer);
        break;
      }
      landed = await head();
    }
    expect(await head()).toBe(landed);
    expect((await fetch(`${url}/painter/full/resolve/main/fits.txt`)).status).toBe(200);
    const { problems, unfinished } = await verify();
    expect(problems).toEqual([]);
    expect(unfinished.filter((name) => !name.startsWith('parts-'))).toEqual([]);
  });
});

it('a Hub whose files may not grow answers 507 and keeps nothing that is half written', async () => {
  await start(SHORT_FILES);
  const random = seeded(6);
  const before = await head();
  await expectFull(await sendLarge(random.bytes(5_000_000)));
  await expectFull(await commit('too-long.txt', random.bytes(4_000_000)));
  expect(await head()).toBe(before);
  expect((await sendLarge(random.bytes(2_000_000))).status).toBe(200);
  expect(await verify()).toMatchObject({ problems: [], unfinished: [] });
});
