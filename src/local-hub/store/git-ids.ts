import { createHash } from 'node:crypto';

/** git's id of a file with these bytes. */
export function gitBlobId(bytes: Uint8Array): string {
  return createHash('sha1').update(`blob ${bytes.byteLength}\0`).update(bytes).digest('hex');
}

/** git's id of the pointer that stands for a large file. */
export function lfsPointerId(sha256: string, size: number): string {
  return gitBlobId(
    Buffer.from(`version https://git-lfs.github.com/spec/v1\noid sha256:${sha256}\nsize ${size}\n`),
  );
}
