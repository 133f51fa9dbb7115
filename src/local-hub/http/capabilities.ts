import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { replaceFile } from '../store/durable.ts';

/** Signs what an upload URL permits: clients send no token to it, as it would be a bucket's URL on the real Hub. */
export class Capabilities {
  readonly #key: Buffer;

  constructor(key: Buffer) {
    this.#key = key;
  }

  /** Reads the signing key of a Hub's folder, or makes one; URLs stay good over a restart. */
  static async open(root: string): Promise<Capabilities> {
    const path = join(root, 'signing-key');
    const known = await readFile(path).catch(() => undefined);
    if (known && known.length >= 32) return new Capabilities(known);
    const fresh = randomBytes(32).toString('hex');
    await replaceFile(root, path, fresh);
    return new Capabilities(Buffer.from(fresh));
  }

  #sign(body: string): string {
    return createHmac('sha256', this.#key).update(body).digest('base64url');
  }

  /** A string that carries `claims` until `seconds` from now. */
  grant(claims: Record<string, string | number>, seconds: number): string {
    const body = Buffer.from(
      JSON.stringify({ ...claims, exp: Math.floor(Date.now() / 1000) + seconds }),
    ).toString('base64url');
    return `${body}.${this.#sign(body)}`;
  }

  /** The claims of a string that this Hub granted and that still holds; otherwise undefined. */
  check(granted: string): Record<string, string | number> | undefined {
    const [body = '', signature = ''] = granted.split('.');
    // Compared as text: the last character of base64 has bits that decoding drops, so two texts may give the same bytes.
    const expected = Buffer.from(this.#sign(body));
    const got = Buffer.from(signature);
    if (got.length !== expected.length || !timingSafeEqual(got, expected)) return undefined;
    const claims = JSON.parse(Buffer.from(body, 'base64url').toString()) as Record<string, string | number>;
    return Number(claims.exp) > Date.now() / 1000 ? claims : undefined;
  }
}
