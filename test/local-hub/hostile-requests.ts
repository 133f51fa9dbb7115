import { request as send } from 'node:http';
import { connect } from 'node:net';
import type { Random } from './random.ts';

/** One request meant to hurt. */
export interface HostileRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: Record<string, string>;
  readonly body: Buffer;
}

const REPO = 'painter/target';
const API = `/api/models/${REPO}`;
const TARGETS = [
  ['POST', '/api/repos/create'],
  ['DELETE', '/api/repos/delete'],
  ['POST', '/api/repos/move'],
  ['POST', '/api/validate-yaml'],
  ['GET', '/api/whoami-v2'],
  ['GET', '/api/models'],
  ['GET', API],
  ['GET', `${API}/tree/main`],
  ['GET', `${API}/commits/main`],
  ['POST', `${API}/paths-info/main`],
  ['POST', `${API}/preupload/main`],
  ['POST', `${API}/commit/main`],
  ['POST', `${API}/branch/trial`],
  ['DELETE', `${API}/branch/trial`],
  ['POST', `${API}/tag/main`],
  ['DELETE', `${API}/tag/v1`],
  ['POST', `${API}/super-squash/main`],
  ['POST', `${API}/lfs-files/batch`],
  ['PUT', `${API}/settings`],
  ['GET', `${API}/xet-write-token/main`],
  ['POST', '/api/spaces/painter/app/secrets'],
  ['POST', '/api/spaces/painter/app/variables'],
  ['POST', '/api/spaces/painter/app/hardware'],
  ['POST', `/${REPO}.git/info/lfs/objects/batch`],
  ['POST', `/${REPO}.git/info/lfs/objects/verify`],
  ['PUT', '/_lfs/upload/e30.e30'],
  ['POST', '/_xet/00000000-0000-0000-0000-000000000000/v1/shards'],
  ['GET', `/${REPO}/resolve/main/a.txt`],
  ['GET', `/${REPO}`],
  ['GET', '/'],
] as const;

const NASTY = [
  '',
  '..',
  '../..',
  '%2e%2e',
  '%00',
  '%ff',
  '%',
  '/',
  '//',
  '\\',
  '__proto__',
  'constructor',
  'toString',
  'main',
  'refs/heads/main',
  'refs',
  'HEAD',
  '0'.repeat(40),
  'a'.repeat(3000),
  '.git',
  'ünï',
  '🎨',
  '\u202e',
  '~',
  ';',
  'con',
  '-rf',
  '$(id)',
  '<script>',
] as const;

const BODIES: unknown[] = [
  { name: 'x' },
  { name: 'painter/made', type: 'model', private: true },
  { name: '../../x', type: 'dataset' },
  { name: 'painter/x', type: 'space', sdk: 'gradio', secrets: [{ key: 'K', value: 'v' }] },
  { files: [{ path: 'a.txt', size: 10, sample: 'eA==' }], gitIgnore: '*', gitAttributes: '*.bin filter=lfs' },
  { paths: ['a.txt', 'b'], expand: true },
  { operation: 'upload', transfers: ['basic', 'multipart'], objects: [{ oid: 'a'.repeat(64), size: 10 }] },
  { oid: 'a'.repeat(64), size: 10 },
  { tag: 'v1', message: 'm' },
  { startingPoint: 'main' },
  { message: 'squash' },
  { deletions: { sha: ['a'.repeat(64)], rewriteHistory: true } },
  { private: true, gated: 'auto' },
  { key: 'KEY', value: 'v' },
  { flavor: 'cpu-basic' },
  { content: '---\na: [1\n---\n' },
  { key: 'header', value: { summary: 's' } },
  { key: 'file', value: { path: 'f.txt', content: 'eA==', encoding: 'base64' } },
  { key: 'lfsFile', value: { path: 'l.bin', oid: 'b'.repeat(64), size: 3, algo: 'sha256' } },
  { key: 'deletedFolder', value: { path: 'd/' } },
  { key: 'copyFile', value: { path: 'c', srcPath: 'a.txt' } },
];

const LEAVES: unknown[] = [
  null,
  true,
  0,
  -1,
  1e308,
  '',
  '..',
  '\u0000',
  [],
  {},
  [[[[]]]],
  'x'.repeat(5000),
  '\ud800',
  { __proto__: null },
];

/** Replaces, drops or adds something somewhere inside a JSON value. */
function mutate(value: unknown, random: Random): unknown {
  if (typeof value !== 'object' || value === null || random.int(4) === 0) return random.pick(LEAVES);
  if (Array.isArray(value)) {
    const copy = [...value];
    if (copy.length > 0) copy[random.int(copy.length)] = mutate(copy[0], random);
    return copy;
  }
  const copy: Record<string, unknown> = { ...value };
  const key = random.pick([...Object.keys(copy), random.pick(NASTY)]);
  copy[key] = mutate(copy[key], random);
  return copy;
}

function hostileBody(random: Random): Buffer {
  const kind = random.int(6);
  if (kind === 0) return random.bytes(random.int(2000));
  if (kind === 1) return Buffer.from(JSON.stringify(random.pick(BODIES)).slice(0, random.int(60)));
  const count = kind === 2 ? 1 + random.int(5) : 1;
  const lines = Array.from({ length: count }, () => {
    const body = random.pick(BODIES);
    return JSON.stringify(random.int(3) === 0 ? body : mutate(body, random)) ?? '';
  });
  return Buffer.from(kind === 3 ? `${JSON.stringify(BODIES[16])}\n${lines.join('\n')}` : lines.join('\n'));
}

/** Draws a request: a real endpoint with something wrong about its path, headers or body. */
export function hostileRequest(random: Random, token: string): HostileRequest {
  const [usual, base] = random.pick(TARGETS);
  const method =
    random.int(8) === 0 ? random.pick(['GET', 'POST', 'PUT', 'DELETE', 'HEAD', 'PATCH', 'OPTIONS']) : usual;
  let path: string = base;
  if (random.int(3) === 0) path += `/${random.pick(NASTY)}`;
  if (random.int(5) === 0)
    path = path.replace(random.pick(['main', 'painter', 'target', 'models', 'a.txt']), random.pick(NASTY));
  if (random.int(4) === 0)
    path += `?${random.pick(['cursor', 'limit', 'p', 'expand', 'recursive', 'author', 'search', 'blobs'])}=${random.pick([...NASTY, '-1', '1e9', 'NaN'])}`;
  const headers: Record<string, string> = {};
  if (random.int(6) > 0) headers.Authorization = `Bearer ${token}`;
  else if (random.int(2) === 0)
    headers.Authorization = random.pick(['Bearer', 'Basic !!!', 'Bearer a b', 'Basic eDp5', 'x']);
  if (random.int(4) === 0)
    headers['Content-Type'] = random.pick([
      'application/x-www-form-urlencoded',
      'text/plain',
      'multipart/form-data',
      '',
    ]);
  if (random.int(6) === 0)
    headers.Range = random.pick([
      'bytes=-',
      'bytes=9-1',
      'bytes=99999999999999999999-',
      'bytes=a-b',
      'bytes=0-0,1-1',
    ]);
  if (random.int(10) === 0) headers.Host = random.pick(['evil.example', 'a b', '[::1', '"><x']);
  return {
    method,
    path: latin(path),
    headers,
    body: method === 'GET' || method === 'HEAD' ? Buffer.alloc(0) : hostileBody(random),
  };
}

/** Node refuses to send some characters in a path; they travel percent-encoded, the rest as it is. */
function latin(path: string): string {
  return path.replace(/[^\x21-\x7e]/gu, (character) => encodeURIComponent(character));
}

/** Sends a request and gives its status and text; undefined where the connection was cut. */
export function sendHostile(
  url: string,
  hostile: HostileRequest,
): Promise<{ status: number; text: string } | undefined> {
  return new Promise((done) => {
    const { method, path, headers, body } = hostile;
    const outgoing = send(
      url,
      { method, path, headers: { ...headers, 'Content-Length': body.length } },
      (answer) => {
        const chunks: Buffer[] = [];
        answer.on('data', (chunk: Buffer) => chunks.push(chunk));
        answer.on('end', () =>
          done({ status: answer.statusCode ?? 0, text: Buffer.concat(chunks).toString('utf8') }),
        );
        answer.on('error', () => done(undefined));
      },
    );
    outgoing.on('error', () => done(undefined));
    outgoing.end(body);
  });
}

/** Sends bytes that are no HTTP and hangs up. */
export function sendGarbage(port: number, bytes: Buffer): Promise<void> {
  return new Promise((done) => {
    const socket = connect(port, '127.0.0.1', () => socket.end(bytes));
    socket.on('error', () => done());
    socket.on('close', () => done());
    socket.resume();
  });
}
