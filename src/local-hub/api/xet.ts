import { randomUUID } from 'node:crypto';
import { mkdir, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { requireWrite } from '../http/access.ts';
import { badRequest, HubError } from '../http/errors.ts';
import type { Exchange } from '../http/exchange.ts';
import type { Hub } from '../hub.ts';
import type { Repo } from '../store/repo.ts';
import { receive } from '../store/temporary.ts';
import { parseShard, type ShardFile } from '../xet/shard.ts';
import { Xorb } from '../xet/xorb.ts';

const TOKEN_SECONDS = 3600;
const SHARD_LIMIT = 64 * 1024 * 1024;
/** Bytes of the disk that no upload may take. */
const LEFT_FREE = 64 * 1024 * 1024;

/** GET xet-write-token/{revision}: where hf_xet sends chunks. Each token has its own address, for clients cache by it. */
export async function xetWriteToken(hub: Hub, exchange: Exchange, repo: Repo): Promise<void> {
  requireWrite(exchange);
  const exp = Math.floor(Date.now() / 1000) + TOKEN_SECONDS;
  const accessToken = hub.capabilities.grant({ xet: `${repo.type}s/${repo.id}` }, TOKEN_SECONDS);
  const casUrl = `${exchange.base}/_xet/${randomUUID()}`;
  exchange.json({ casUrl, exp, accessToken }, 200, {
    'X-Xet-Cas-Url': casUrl,
    'X-Xet-Access-Token': accessToken,
    'X-Xet-Token-Expiration': String(exp),
  });
}

/** The URLs under /_xet/{session}/: takes xorbs, and rebuilds plain files from them when a shard names their parts. */
export async function xetTransfer(hub: Hub, exchange: Exchange): Promise<void> {
  const [, session = '', version = '', verb = '', , hash = ''] = exchange.segments;
  if (!/^[0-9a-f-]{36}$/.test(session)) throw badRequest('Expected an upload session that this Hub gave out');
  const token = (exchange.request.headers.authorization ?? '').replace(/^Bearer /i, '');
  if (!hub.capabilities.check(token)?.xet)
    throw new HubError(401, 'Expected a Xet token of this Hub that has not expired');
  const folder = hub.xet.folder(session);
  const route = `${exchange.method} ${version}/${verb}`;
  if (route === 'POST v1/xorbs' && /^[0-9a-f]{64}$/.test(hash)) {
    await hub.xet.during(session, async () => {
      await mkdir(folder, { recursive: true });
      await receive(join(folder, hash), exchange.chunks);
    });
    exchange.json({ was_inserted: true });
  } else if (route === 'POST v1/shards') {
    const files = parseFiles(await exchange.bytes(SHARD_LIMIT));
    await hub.xet.during(session, (rebuilt) => rebuildFiles(hub, folder, files, rebuilt));
    exchange.json({ result: 1 });
  } else {
    throw new HubError(404, 'This Hub takes Xet uploads only, one xorb and one shard at a time');
  }
}

function parseFiles(shard: Buffer): ShardFile[] {
  try {
    return parseShard(shard);
  } catch (error) {
    throw badRequest(error instanceof Error ? error.message : 'Expected a shard');
  }
}

/** Insists that what a shard declares fits on the disk before any of it is written: few bytes may stand for very many. */
async function requireSpace(folder: string, files: readonly ShardFile[]): Promise<void> {
  const declared = files.reduce((sum, file) => sum + sizeOf(file), 0);
  const { bavail, bsize } = await statfs(folder);
  if (declared > bavail * bsize - LEFT_FREE)
    throw new HubError(
      507,
      `Expected files that fit on the Hub's disk, the shard declares ${declared} bytes`,
    );
}

const sizeOf = (file: ShardFile): number => file.segments.reduce((sum, { bytes }) => sum + bytes, 0);

async function rebuildFiles(
  hub: Hub,
  folder: string,
  files: readonly ShardFile[],
  rebuilt: (sha256: string) => void,
): Promise<void> {
  await mkdir(folder, { recursive: true });
  const missing: ShardFile[] = [];
  for (const file of files) {
    rebuilt(file.sha256);
    if ((await hub.blobs.size(file.sha256)) === undefined) missing.push(file);
  }
  await requireSpace(folder, missing);
  for (const file of missing) {
    const open = new Map<string, Xorb>();
    try {
      await hub.blobs.store(assemble(folder, file, open), { sha256: file.sha256, size: sizeOf(file) });
    } finally {
      for (const xorb of open.values()) await xorb.close();
    }
  }
}

async function* assemble(folder: string, file: ShardFile, open: Map<string, Xorb>): AsyncGenerator<Buffer> {
  for (const { xorb: hash, bytes, firstChunk, endChunk } of file.segments) {
    let left = bytes;
    let xorb = open.get(hash);
    if (!xorb) {
      xorb = await Xorb.open(join(folder, hash)).catch(() => {
        throw badRequest(`Expected xorb ${hash} to be uploaded in this session before the shard`);
      });
      open.set(hash, xorb);
    }
    for (let index = firstChunk; index < endChunk; index += 1) {
      const chunk = await xorb.chunk(index).catch((error: unknown) => {
        throw badRequest(`Chunk ${index} of xorb ${hash}: ${error instanceof Error ? error.message : error}`);
      });
      left -= chunk.length;
      if (left < 0)
        throw badRequest(`Expected ${bytes} bytes from xorb ${hash}, as the shard declares, got more`);
      yield chunk;
    }
    if (left > 0)
      throw badRequest(
        `Expected ${bytes} bytes from xorb ${hash}, as the shard declares, got ${bytes - left}`,
      );
  }
}
