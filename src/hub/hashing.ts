import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { canonicalJson } from '../domain/canonical-json.ts';
import { Sha256 } from '../domain/refs.ts';

/** sha256 of bytes in memory. */
export function sha256Of(content: string | Uint8Array): Sha256 {
  return Sha256.parse(createHash('sha256').update(content).digest('hex'));
}

/** sha256 of a JSON value that does not depend on the order of its keys. */
export function fingerprintOf(value: unknown): Sha256 {
  return sha256Of(canonicalJson(value));
}

/** sha256 of a file, streamed: memory stays flat whatever its size. `onHashed` hears how many bytes are done. */
export async function sha256OfFile(path: string, onHashed?: (bytes: number) => void): Promise<Sha256> {
  const hash = createHash('sha256');
  let done = 0;
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) {
    hash.update(chunk as Buffer);
    done += (chunk as Buffer).length;
    onHashed?.(done);
  }
  return Sha256.parse(hash.digest('hex'));
}

/** git's id of a file's content (sha1 over a `blob` header and the bytes), as the Hub lists it for files outside LFS. */
export async function gitBlobIdOfFile(path: string): Promise<string> {
  const hash = createHash('sha1').update(`blob ${(await stat(path)).size}\0`);
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) hash.update(chunk as Buffer);
  return hash.digest('hex');
}

/** git's id of bytes in memory. */
export function gitBlobId(content: Uint8Array): string {
  return createHash('sha1').update(`blob ${content.byteLength}\0`).update(content).digest('hex');
}
