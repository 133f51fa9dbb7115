import { randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { z } from 'zod';
import { pagePath, requireContent, requireWrite } from '../http/access.ts';
import { badRequest, HubError } from '../http/errors.ts';
import type { Exchange } from '../http/exchange.ts';
import type { Hub } from '../hub.ts';
import type { Repo } from '../store/repo.ts';
import { receive, UPLOAD_LIFETIME } from '../store/temporary.ts';

const PART_BYTES = 64 * 1024 * 1024;
const URL_SECONDS = UPLOAD_LIFETIME / 1000;

const Oid = z.string().regex(/^[0-9a-f]{64}$/, 'Expected 64 lower-case hexadecimal digits');
const BatchRequest = z.object({
  operation: z.enum(['upload', 'download']),
  transfers: z.array(z.string()).default(['basic']),
  objects: z.array(z.object({ oid: Oid, size: z.number().int().nonnegative() })).max(1000),
});

/** POST {repo}.git/info/lfs/objects/batch: where to send each large file; no `actions` where it is stored already. */
export async function lfsBatch(hub: Hub, exchange: Exchange, repo: Repo): Promise<void> {
  const { operation, transfers, objects } = await exchange.body(BatchRequest);
  if (operation === 'upload') requireWrite(exchange);
  else requireContent(repo, exchange);
  const held = operation === 'download' ? await repo.lfs.read() : undefined;
  const transfer =
    transfers.includes('multipart') && objects.some(({ size }) => size > PART_BYTES) ? 'multipart' : 'basic';
  const answers = [];
  for (const { oid, size } of objects) {
    const stored = await hub.blobs.size(oid);
    if (held) {
      // The bytes of all repos lie in one store: a sha256 alone must not open what another repo keeps private.
      const line = held.get(oid);
      answers.push(
        stored === undefined || !line || line.deleted
          ? { oid, size, error: { code: 404, message: `Expected object ${oid} to be stored, it is not` } }
          : {
              oid,
              size,
              actions: {
                download: {
                  href: `${exchange.base}/_lfs/download/${hub.capabilities.grant({ get: oid }, URL_SECONDS)}`,
                },
              },
            },
      );
    } else if (stored === size) {
      answers.push({ oid, size });
    } else if (stored !== undefined) {
      answers.push({
        oid,
        size,
        error: { code: 422, message: `Expected size ${stored} for object ${oid}, got ${size}` },
      });
    } else {
      answers.push({ oid, size, actions: uploadActions(hub, exchange, repo, { oid, size, transfer }) });
    }
  }
  exchange.json({ transfer, objects: answers }, 200, { 'Content-Type': 'application/vnd.git-lfs+json' });
}

function uploadActions(
  hub: Hub,
  exchange: Exchange,
  repo: Repo,
  file: { oid: string; size: number; transfer: string },
) {
  const { oid, size, transfer } = file;
  const verify = { href: `${exchange.base}/${pagePath(repo)}.git/info/lfs/objects/verify` };
  const grant = (claims: Record<string, string | number>): string =>
    hub.capabilities.grant({ oid, size, ...claims }, URL_SECONDS);
  if (transfer !== 'multipart' || size <= PART_BYTES) {
    return { upload: { href: `${exchange.base}/_lfs/upload/${grant({ put: oid })}` }, verify };
  }
  const session = randomUUID();
  const parts = Array.from({ length: Math.ceil(size / PART_BYTES) }, (_, index) => index + 1);
  const header = Object.fromEntries(
    parts.map((part) => [String(part), `${exchange.base}/_lfs/part/${grant({ session, part })}`]),
  );
  return {
    upload: {
      href: `${exchange.base}/_lfs/complete/${grant({ complete: session, parts: parts.length })}`,
      header: { ...header, chunk_size: String(PART_BYTES) },
    },
    verify,
  };
}

const VerifyRequest = z.object({ oid: Oid, size: z.number().int().nonnegative() });

/** POST …/objects/verify: confirms that a large file arrived. */
export async function lfsVerify(hub: Hub, exchange: Exchange): Promise<void> {
  requireWrite(exchange);
  const { oid, size } = await exchange.body(VerifyRequest);
  const stored = await hub.blobs.size(oid);
  if (stored !== size)
    throw new HubError(404, `Expected object ${oid} with ${size} bytes, got ${stored ?? 'none'}`);
  exchange.json({ message: 'stored' });
}

/** The URLs under /_lfs/ that a batch answer gave out. */
export async function lfsTransfer(hub: Hub, exchange: Exchange): Promise<void> {
  const [, verb = '', granted = ''] = exchange.segments;
  const claims = hub.capabilities.check(granted);
  if (!claims)
    throw new HubError(403, 'Expected an upload URL that this Hub gave out, and that has not expired');
  const partsFolder = (session: unknown): string => join(hub.root, 'tmp', `parts-${session}`);
  if (verb === 'upload' && exchange.method === 'PUT' && claims.put) {
    await hub.blobs.store(exchange.chunks, { sha256: String(claims.oid), size: Number(claims.size) });
    exchange.empty(200, { ETag: `"${claims.oid}"` });
  } else if (verb === 'part' && exchange.method === 'PUT' && claims.session) {
    const folder = partsFolder(claims.session);
    await mkdir(folder, { recursive: true });
    const wanted = Math.min(PART_BYTES, Number(claims.size) - (Number(claims.part) - 1) * PART_BYTES);
    await receive(join(folder, `${claims.part}`), limitTo(exchange.chunks, wanted));
    exchange.empty(200, { ETag: `"${claims.session}-${claims.part}"` });
  } else if (verb === 'complete' && exchange.method === 'POST' && claims.complete) {
    await exchange.bytes();
    const folder = partsFolder(claims.complete);
    const present = new Set(await readdir(folder).catch(() => []));
    const names = Array.from({ length: Number(claims.parts) }, (_, index) => String(index + 1));
    const missing = names.filter((name) => !present.has(name));
    if ((await hub.blobs.size(String(claims.oid))) === undefined) {
      if (missing.length > 0)
        throw badRequest(`Expected ${names.length} parts, part ${missing[0]} is missing`);
      const paths = names.map((name) => join(folder, name));
      await hub.blobs.store(concatenate(paths), { sha256: String(claims.oid), size: Number(claims.size) });
    }
    await rm(folder, { recursive: true, force: true });
    exchange.json({ message: 'stored' });
  } else if (verb === 'download' && exchange.method === 'GET' && claims.get) {
    const size = await hub.blobs.size(String(claims.get));
    const headers = { 'Content-Length': String(size), 'Content-Type': 'application/octet-stream' };
    exchange.response.writeHead(200, headers);
    await pipeline(hub.blobs.read(String(claims.get)), exchange.response);
  } else {
    throw badRequest('Expected the method and URL of a batch answer');
  }
}

async function* limitTo(source: AsyncIterable<Buffer>, most: number): AsyncGenerator<Buffer> {
  let size = 0;
  for await (const chunk of source) {
    size += chunk.length;
    if (size > most) throw badRequest(`Expected a part of ${most} bytes, got more`);
    yield chunk;
  }
  if (size !== most) throw badRequest(`Expected a part of ${most} bytes, got ${size}`);
}

async function* concatenate(paths: readonly string[]): AsyncGenerator<Buffer> {
  for (const path of paths) {
    for await (const chunk of createReadStream(path, { highWaterMark: 1024 * 1024 })) yield chunk as Buffer;
  }
}
