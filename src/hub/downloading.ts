import { createWriteStream } from 'node:fs';
import { mkdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { PipelineError } from '../domain/errors.ts';
import type { CommitSha, RepoRef, Sha256 } from '../domain/refs.ts';
import { describeRepo, resolveUrl } from './addresses.ts';
import { authorized, type Connection } from './connection.ts';
import { gitBlobIdOfFile, sha256OfFile } from './hashing.ts';
import { describeRequest, HubFailure, isError } from './hub-failure.ts';
import { type ListedFile, listFolder } from './listing.ts';
import { asFailure, pause, retrying } from './transport.ts';

const PARALLEL = 4;

/** What to download and where to. */
export interface DownloadRequest {
  repo: RepoRef;
  commit: CommitSha;
  folder?: string;
  /** Which of those files are wanted; default: all. */
  wanted?: (path: string) => boolean;
  toFolder: string;
  signal?: AbortSignal;
  onProgress?: (doneBytes: number, totalBytes: number) => void;
}

/** Brings a folder of a commit here, four files at a time; returns the paths, as in the repository. */
export async function downloadFolder(hub: Connection, request: DownloadRequest): Promise<string[]> {
  const listed = await listFolder(hub, {
    repo: request.repo,
    revision: request.commit,
    folder: request.folder,
  });
  const files = request.wanted === undefined ? listed : listed.filter(({ path }) => request.wanted?.(path));
  for (const { path } of files) refuseEscape(path, request.repo);
  refuseImpossible(files, request.repo);
  const total = files.reduce((sum, file) => sum + file.bytes, 0);
  let done = 0;
  const queue = [...files];
  const failed = new AbortController();
  const signal = request.signal ? AbortSignal.any([request.signal, failed.signal]) : failed.signal;
  const work = async () => {
    for (let file = queue.shift(); file !== undefined; file = queue.shift()) {
      let counted = 0;
      const report = (bytes: number) => {
        done += bytes - counted;
        counted = bytes;
        request.onProgress?.(done, total);
      };
      await bring(hub, { ...request, signal }, file, report);
      report(file.bytes);
    }
  };
  const workers = Array.from({ length: PARALLEL }, work);
  await Promise.all(workers).catch(async (error) => {
    failed.abort();
    await Promise.allSettled(workers);
    request.signal?.throwIfAborted();
    throw error;
  });
  return files.map(({ path }) => path);
}

/** A repository is somebody else's data: a path in it must not reach outside the folder. */
export function refuseEscape(path: string, repo: RepoRef): void {
  const segments = path.split('/');
  const escapes = segments.some((segment) => segment === '' || segment === '.' || segment === '..');
  if (escapes || /[\\\0]/.test(path) || /^[A-Za-z]:/.test(path)) {
    throw new PipelineError(
      'Corrupt',
      `expected paths inside the folder in ${describeRepo(repo)}, got ${JSON.stringify(path)}: nothing was written`,
    );
  }
}

/** Names that no file system takes, and a file where another one needs a folder, are refused before anything is written. */
function refuseImpossible(files: readonly ListedFile[], repo: RepoRef): void {
  const paths = new Set(files.map(({ path }) => path));
  for (const path of paths) {
    const segments = path.split('/');
    const isLong = path.length > 1024 || segments.some((segment) => Buffer.byteLength(segment) > 255);
    const below = segments.slice(1).some((_, at) => paths.has(segments.slice(0, at + 1).join('/')));
    if (isLong || below)
      throw new PipelineError(
        'Corrupt',
        `expected paths that a folder can hold in ${describeRepo(repo)}, got ${JSON.stringify(path.slice(0, 200))}: nothing was written`,
      );
  }
}

async function bring(
  hub: Connection,
  p: DownloadRequest & { signal: AbortSignal },
  file: ListedFile,
  report: (bytes: number) => void,
): Promise<void> {
  const target = join(p.toFolder, file.path);
  if (await verifies(target, file, report)) return;
  await mkdir(dirname(target), { recursive: true });
  const part = `${target}.part`;
  const { patience } = hub.transport;
  for (let tried = 1; ; tried += 1) {
    await retrying(patience, p.signal, (restart) => continuePart(hub, p, file, part, report, restart));
    if (await verifies(part, file, () => report(file.bytes))) break;
    await rm(part, { force: true });
    const wanted = `${file.bytes} bytes with ${file.sha256 === null ? `git id ${file.gitId}` : `sha256 ${file.sha256}`}`;
    const where = `${describeRepo(p.repo)} ${file.path} at ${p.commit}`;
    if (tried === patience.attempts) {
      throw new PipelineError('Corrupt', `expected ${wanted} in ${where}, got other bytes ${tried} times`);
    }
    // The line may be noisy for a while: bytes that are wrong at once three times say nothing about those on the Hub.
    await pause(patience, tried, null, p.signal);
  }
  await rename(part, target);
}

/** Whether a file is there whole. One that was hashed before and has not changed since is not read again: a base has 34 GB. */
async function verifies(
  path: string,
  file: ListedFile,
  onHashed?: (bytes: number) => void,
): Promise<boolean> {
  const found = await stat(path, { bigint: true }).catch(() => null);
  if (found === null || found.size !== BigInt(file.bytes)) return false;
  if (file.sha256 === null) return file.gitId === null || (await gitBlobIdOfFile(path)) === file.gitId;
  const state = [found.dev, found.ino, found.size, found.mtimeNs, found.ctimeNs].join(' ');
  const known = hashed.get(state);
  if (known !== undefined) return known === file.sha256;
  const sha256 = await sha256OfFile(path, onHashed);
  if (file.bytes >= MIN_REMEMBERED) {
    if (hashed.size >= MAX_REMEMBERED) hashed.clear();
    hashed.set(state, sha256);
  }
  return sha256 === file.sha256;
}

/** sha256 of files by device, inode, size and times of change. */
const hashed = new Map<string, Sha256>();
const MAX_REMEMBERED = 10_000;
/** Reading so much takes longer than a file system's clock ticks: a change that comes after it shows in the file's time. */
const MIN_REMEMBERED = 16_000_000;

/** Appends to a `.part` what it still lacks; `restart` is called when bytes came, so that only silence uses up tries. */
async function continuePart(
  hub: Connection,
  p: DownloadRequest & { signal: AbortSignal },
  file: ListedFile,
  part: string,
  report: (bytes: number) => void,
  restart: () => void,
): Promise<void> {
  const have = await stat(part).then(
    (found) => found.size,
    () => 0,
  );
  if (have === file.bytes && have > 0) return;
  const resume = have > 0 && have < file.bytes;
  const url = resolveUrl(hub.endpoint, p.repo, p.commit, file.path);
  const idle = new AbortController();
  const patience = hub.transport.patience.idleTimeoutMs;
  const timer = setTimeout(() => idle.abort(new Error(`no byte for ${patience} ms`)), patience);
  const signal = AbortSignal.any([p.signal, idle.signal]);
  try {
    const response = await hub.transport.open(url, {
      headers: authorized(hub, {
        'accept-encoding': 'identity',
        ...(resume ? { range: `bytes=${have}-` } : {}),
      }),
      signal,
    });
    const from = resume && response.status === 206 ? have : 0;
    let received = from;
    const count = async function* (source: AsyncIterable<Buffer>) {
      for await (const chunk of source) {
        timer.refresh();
        const room = file.bytes - received;
        received += chunk.length;
        if (received > have) restart();
        report(Math.min(received, file.bytes));
        yield chunk.subarray(0, room);
        // The listing says how long the file is; a far side that does not end is not listened to.
        if (received > file.bytes) return;
      }
    };
    const body =
      response.body === null
        ? Readable.from([])
        : Readable.fromWeb(response.body as import('node:stream/web').ReadableStream);
    await pipeline(body, count, createWriteStream(part, { flags: from > 0 ? 'a' : 'w' }), { signal });
    if (received < file.bytes) {
      throw new HubFailure({
        status: null,
        where: describeRequest('GET', url),
        reason: `the answer ended after ${received} of ${file.bytes} bytes`,
      });
    }
  } catch (error) {
    if (isLocal(error)) throw error;
    throw asFailure(error, 'GET', url, p.signal);
  } finally {
    clearTimeout(timer);
  }
}

/** A full or read-only disk is no fault of the Hub, and no retry mends it. */
function isLocal(error: unknown): boolean {
  const code = isError(error) && 'code' in error ? error.code : undefined;
  return ['ENOSPC', 'EDQUOT', 'EROFS', 'EACCES', 'EISDIR', 'ENOTDIR'].includes(String(code));
}
